"""CSV files: exact text in, or an error that says where."""

import csv
import gzip
import hashlib
import io
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.domain.errors import EstateError, SourceError, SourceMissingError
from energy_platform.sources.csv.reader import CsvSource
from energy_platform.sources.opening import open_source
from energy_platform.sources.spec import CsvLayout, Role, SourceSpec


def source(path: Path, content: bytes | str | None = None, **facts) -> CsvSource:
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    opened = open_source(
        SourceSpec(path.name, "csv", path, "energy_consumption", where="estate.yaml: energy[0]", **facts)
    )
    assert isinstance(opened, CsvSource)
    return opened


def rows(opened: CsvSource, batch_rows: int = 1000) -> list[tuple]:
    names = opened.columns()
    frames = list(opened.batches(batch_rows))
    assert all(frame.columns == [*names, "@key", "@order"] and 0 < frame.height <= batch_rows for frame in frames)
    return [row[:-2] for frame in frames for row in frame.rows()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.csv"


def refused(path: Path, content: bytes | str | None = None, **facts) -> SourceError:
    opened = source(path, content, **facts)
    with pytest.raises(SourceError) as caught:
        rows(opened)
    assert caught.value.where == "a.csv"
    assert caught.value.remedy
    assert caught.value.exit_code == 1
    return caught.value


def refused_by(opened: CsvSource) -> SourceError:
    with pytest.raises(SourceError) as caught:
        rows(opened)
    return caught.value


def test_text_is_kept_as_it_is(path):
    opened = source(path, 'a,b\n 1 ,"x ""y"", z"\n,""\n007,NULL\nnan,"two\r\nlines"\n')
    assert opened.columns() == ("a", "b")
    assert rows(opened) == [(" 1 ", 'x "y", z'), (None, ""), ("007", "NULL"), ("nan", "two\r\nlines")]
    frame = next(opened.batches())
    assert frame.schema == {"a": pl.String, "b": pl.String, "@key": pl.String, "@order": pl.Int64}
    assert opened.row_count() is None


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends(path, end, last):
    text = end.join(["", "a,b", "1,2", "", "", "3,4"]) + (end if last else "")
    opened = source(path, text)
    assert rows(opened) == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found(path, separator):
    opened = source(path, f'a{separator}"b,;\t|"{separator}c d\n1{separator}2{separator}3\n')
    assert opened.columns() == ("a", "b,;\t|", "c d")
    assert rows(opened) == [("1", "2", "3")]


def test_a_named_separator_wins(path):
    opened = source(path, "a,b|c,d\n1,2|3\n", separator="|")
    assert opened.columns() == ("a,b", "c,d")
    assert rows(opened) == [("1,2", "3")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_encodings_are_found(path, encoding):
    opened = source(path, "건물,값\n강남 타워,22.5\n".encode(encoding))
    assert opened.columns() == ("건물", "값")
    assert rows(opened) == [("강남 타워", "22.5")]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_encodings_are_found_by_their_mark(path, encoding):
    opened = source(path, ("\ufeff" + "a,b\né,ß\n").encode(encoding))
    assert opened.columns() == ("a", "b")
    assert rows(opened) == [("é", "ß")]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "iso8859-2", "utf-8"])
def test_a_named_encoding_wins(path, encoding):
    assert rows(source(path, "a,b\né,ß\n".encode(encoding), encoding=encoding)) == [("é", "ß")]


def test_korean_far_into_an_ascii_file(path):
    content = b"a,b\n" + b"1,2\n" * 300_000 + "3,값\n".encode("cp949")
    opened = source(path, content)
    assert rows(opened, 50_000)[-1] == ("3", "값")


def test_bytes_that_are_no_text(path):
    error = refused(path, b"a,b\n1,2\n3,\xff\xff\n")
    assert "neither UTF-8 (byte 11, line 3) nor CP949 (byte 11, line 3)" in error.what
    assert "encoding:" in error.remedy
    error = refused(path, "a,b\n1,값\n".encode("cp949"), encoding="utf-8")
    assert error.what == "It is no valid UTF-8: byte 7, line 2."
    error = refused(path, ("a,b\n1,2\n").encode("utf-16")[:-1])
    assert "no valid UTF-16-LE: byte" in error.what


def test_nul_characters(path):
    error = refused(path, b"a,b\n1,2\n3,\x004\n")
    assert error.what == "Line 3 holds a NUL character, which is no text."
    assert "utf-16-le" in refused(path, "a,b\n1,2\n".encode("utf-16-le")).remedy


def test_empty_and_missing_files(path):
    with pytest.raises(SourceMissingError, match=r"There is no file .*a\.csv"):
        source(path).columns()
    with pytest.raises(SourceMissingError):
        source(path).version()
    assert refused(path, "").what == "The file is empty (0 bytes)."
    assert refused(path, "\ufeff").what == "The file holds nothing but blank lines."
    assert "blank lines" in refused(path, "\n\r\n").what


def test_a_folder_and_a_file_that_may_not_be_read(path):
    path.mkdir()
    assert refused(path).what == "This is no regular file."
    path.rmdir()
    path.write_text("a\n1\n")
    path.chmod(0)
    if not os.access(path, os.R_OK):
        assert refused(path).what == "The file cannot be read: Permission denied."


@pytest.mark.parametrize("text", ["a,b", "a,b\n", "a,b\r\n\r\n"])
def test_a_header_alone_is_no_rows(path, text):
    opened = source(path, text)
    assert opened.columns() == ("a", "b")
    assert list(opened.batches()) == []


def test_rows_that_are_not_like_the_header(path):
    error = refused(path, "a,b\n1,2\n\n3,4,5\n")
    assert error.what == "Row 2 has 3 columns where the header has 2."
    assert refused(path, "a,b\n1,2\n3\n").what == "Row 2 has 1 columns where the header has 2."
    assert refused(path, "a\n1\n2,3\n").what == "Row 2 has 2 columns where the header has 1."
    opened = source(path, "a,b\n" + "1,2\n" * 1000 + "3\n")
    opened.block_bytes = 100
    with pytest.raises(SourceError, match=r"Row 1001 has 1 columns where the header has 2\."):
        rows(opened)


def test_quotes_that_are_never_closed(path):
    assert refused(path, 'a,b\n1,2\n3,"4\n5,6\n').what == "A quote opens in row 2 and is never closed."
    assert refused(path, 'a,b\n1,2\n"3,4\n5,6\n').what == "A quote opens in row 2 and is never closed."
    assert "header does not end" in refused(path, 'a,"b\n1,2\n').what
    opened = source(path, 'a,b\n1,2\n3,"4\n' + "5,6\n" * 1000)
    opened.block_bytes = 100
    assert "row 2 and is never closed" in refused_by(opened).what
    opened.row_bytes = 100
    with pytest.raises(SourceError, match=r"longer than.*quote that is never closed"):
        rows(opened)


def test_rows_that_are_longer_than_a_block(path):
    table = [(str(i), "x" * (900 if i in {50, 70, 99} else 3)) for i in range(100)]
    opened = source(path, "a,b\n" + "".join(f"{a},{b}\n" for a, b in table), key="a")
    opened.block_bytes, opened.row_bytes = 100, 1000
    assert rows(opened, 7) == table
    assert [number for frame in opened.batches(7) for number in frame["@order"]] == list(range(100))
    opened.row_bytes = 500
    with pytest.raises(SourceError, match=r"A row after row \d+ is longer than"):
        rows(opened)


def test_a_file_that_changes_before_it_is_read_in_larger_blocks(path):
    opened = source(path, "a,b\n" + "1,2\n" * 1000 + f"3,{'x' * 200}\n")
    opened.block_bytes = 100
    batches = opened.batches(10)
    next(batches)
    with path.open("a") as stream:
        stream.write("3,4\n")
    with pytest.raises(SourceError, match="written while it was read"):
        list(batches)


def test_quotes_inside_of_a_value_are_text(path):
    assert rows(source(path, 'a,b\n5" pipe,6"\n7,8\n')) == [('5" pipe', '6"'), ("7", "8")]


def test_columns_that_are_there_twice_are_numbered(path):
    assert source(path, "a,b,a,a\n1,2,3,4\n").columns() == ("a", "b", "a.2", "a.3")
    assert source(path, ",,b\n1,2,3\n").columns() == ("", ".2", "b")
    opened = source(path, "a,a.2,a,a\n1,2,3,4\n")
    assert opened.columns() == ("a", "a.2", "a.3", "a.4")
    assert rows(opened) == [("1", "2", "3", "4")]


def test_a_reserved_name(path):
    assert refused(path, "a,@order\n1,2\n").what == "A column is called '@order', which is reserved."


def test_an_unnamed_column_and_numbers_as_names(path):
    opened = source(path, ",1,0\nx,2,3\n")
    assert opened.columns() == ("", "1", "0")
    assert next(opened.batches()).to_dicts() == [{"": "x", "1": "2", "0": "3", "@key": None, "@order": 1}]


def test_row_numbers_run_on_across_batches(path):
    opened = source(path, "a\n" + "".join(f'"x\n{i}"\n\n' for i in range(1, 501)))
    opened.block_bytes = 64
    frames = list(opened.batches(7))
    assert all(frame.height <= 7 for frame in frames)
    whole = pl.concat(frames)
    assert whole["@key"].null_count() == whole.height
    assert whole.schema["@key"] == pl.String
    assert whole["@order"].to_list() == list(range(1, 501))
    assert whole["a"].to_list() == [f"x\n{i}" for i in range(1, 501)]


def test_a_whole_number_key_orders_rows(path):
    frame = next(source(path, "v,id\na,30\nb,4\n", key="id").batches())
    assert frame.rows() == [("a", "30", None, 30), ("b", "4", None, 4)]


@pytest.mark.parametrize("key", ["007", "+7", "-0", "-07", "00"])
def test_a_whole_number_key_is_told_as_it_is_spelled(path, key):
    frame = next(source(path, f"v,id\na,30\nb,{key}\n", key="id").batches())
    assert frame["@key"].to_list() == ["30", key]
    assert frame["@order"].to_list() == [30, int(key)]


@pytest.mark.parametrize("key", ["0", "-7", "9" * 18])
def test_a_whole_number_key_that_follows_from_the_order_is_not_told(path, key):
    frame = next(source(path, f"v,id\na,30\nb,{key}\n", key="id").batches())
    assert frame["@key"].to_list() == [None, None]
    assert frame["@order"].to_list() == [30, int(key)]


def test_what_the_keys_are_is_found_out_again_when_the_file_changes(path):
    assert next(source(path, "id\n30\n4\n", key="id").batches())["@order"].to_list() == [30, 4]
    assert next(source(path, "id\n30\nx4\n", key="id").batches())["@order"].to_list() == [1, 2]
    assert next(source(path, "a,id\n30,5\n4,6\n", key="id").batches())["@order"].to_list() == [5, 6]


@pytest.mark.parametrize("keys", [("30", "x4"), ("30", ""), ("3.0", "4"), ("30", "99999999999999999999")])
def test_any_other_key_leaves_the_order_of_the_file(path, keys):
    frame = next(source(path, f"v,id\na,{keys[0]}\nb,{keys[1]}\n", key="id").batches())
    assert frame["@key"].to_list() == [keys[0], keys[1] or None]
    assert frame["@order"].to_list() == [1, 2]


def test_names_that_are_patterns_elsewhere(path):
    frame = next(source(path, "*,^.*$\n1,2\n", key="*").batches())
    assert frame.rows() == [("1", "2", None, 1)]
    assert next(source(path, "*,^.*$\n1,x\n", key="^.*$").batches()).rows() == [("1", "x", "x", 1)]


@pytest.mark.parametrize(
    ("content", "rows"), [("a,b", 0), ("a,b\n", 0), ("a,b\n1,2\n3,4\n", 2), ("a,b\r1,2\r3,4", 2), ("", 0)]
)
def test_small_files_are_counted(path, content, rows):
    assert source(path, content).estimated_rows() == rows


def test_rows_of_large_files_are_estimated(path):
    opened = source(path, "a,b\n" + "".join(f"{i % 1000},x\n" for i in range(300_000)))
    assert opened.estimated_rows() == pytest.approx(300_000, rel=0.02)


def test_streams_take_the_batches_in_turn(path):
    first, second = source(path, "a\n1\n2\n3\n4\n5\n").streams(2, 2)
    assert next(second)["@order"].to_list() == [1, 2]
    assert next(first)["@order"].to_list() == [3, 4]
    assert next(second)["@order"].to_list() == [5]
    assert list(first) == list(second) == []


def test_streams_read_by_threads_hold_every_row_once(path):
    streams = source(path, "a\n" + "".join(f"{i}\n" for i in range(5000))).streams(10, 3)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda stream: [n for frame in stream for n in frame["@order"]], streams))
    assert all(numbers == sorted(numbers) for numbers in found)
    assert sorted(number for numbers in found for number in numbers) == list(range(1, 5001))


def test_every_stream_meets_the_error(path):
    first, second = source(path, "a,b\n1,2\n3\n").streams(1, 2)
    for stream in (first, second):
        with pytest.raises(SourceError, match="Row 2 has 1 columns"):
            list(stream)


def test_a_key_that_is_no_column(path):
    with pytest.raises(EstateError, match=r"There is no column 'Id' in a.csv. Did you mean 'id'") as caught:
        source(path, "id,v\n1,2\n", key="Id").columns()
    assert caught.value.where == "estate.yaml: energy[0].key"


def test_version_and_hash(path):
    opened = source(path, "a\n1\n")
    version, digest = opened.version(), opened.content_hash()
    assert digest == hashlib.sha256(b"a\n1\n").hexdigest()
    assert opened.version() == version
    os.utime(path, ns=(1, 1))
    assert opened.version() != version
    assert opened.content_hash() == digest
    path.write_text("a\n2\n")
    assert opened.content_hash() != digest
    assert rows(opened) == [("2",)]


def test_a_file_that_changes_while_it_is_read(path):
    opened = source(path, "a,b\n" + "1,2\n" * 1000)
    opened.block_bytes = 100
    batches = opened.batches(10)
    next(batches)
    with path.open("a") as stream:
        stream.write("3,4\n")
    with pytest.raises(SourceError, match="written while it was read"):
        list(batches)


def test_reading_stopped_half_way_closes_the_file(path):
    opened = source(path, "a,b\n" + "1,2\n" * 100_000)
    batches = opened.batches(10)
    next(batches)
    batches.close()


TEXT = st.text(st.characters(exclude_characters="\0\ufeff\x1a", exclude_categories=("Cs",)), max_size=8)
KOREAN = st.text(st.sampled_from("가나다힣 ,;\t\"'\r\nab01é"[:-1]), max_size=8)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_what_the_csv_module_writes_comes_back(data):
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp949"]))
    values = KOREAN if encoding == "cp949" else TEXT
    width = data.draw(st.integers(1, 4))
    names = data.draw(
        st.lists(values, min_size=width, max_size=width, unique=True).filter(
            lambda names: not {"@key", "@order"} & set(names)
        )
    )
    table = data.draw(st.lists(st.lists(values, min_size=width, max_size=width), max_size=12))
    separator = data.draw(st.sampled_from([",", ";", "\t"]))
    quoting = data.draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    # the module leaves a \n unquoted where lines end in \r
    end = "\r\n" if quoting == csv.QUOTE_MINIMAL else data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerows([names, *table])
    with tempfile.TemporaryDirectory() as folder:
        content = stream.getvalue().encode(encoding)
        # what is named for a reason is a column, whether it holds something or not
        known = {"ignored": {"": "why"}}
        opened = source(Path(folder, "a.csv"), content, encoding=encoding, separator=separator, **known)
        opened.block_bytes = data.draw(st.sampled_from([len(content) // 2 + 200, 1 << 20]))
        assert opened.columns() == tuple(names)
        # unquoted, an empty value is no value
        empty = "" if quoting == csv.QUOTE_ALL or width == 1 else None
        expected = [tuple(value or empty for value in row) for row in table]
        assert rows(opened, data.draw(st.integers(1, 20))) == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(KOREAN, KOREAN), min_size=1, max_size=60),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(100, 180),
)
def test_blocks_of_any_size_give_the_same_rows(table, end, block):
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *table])
    with tempfile.TemporaryDirectory() as folder:
        opened = source(Path(folder, "a.csv"), stream.getvalue())
        opened.block_bytes = block
        assert rows(opened) == table


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_what_gzip_packed_is_told_by_its_content(path, encoding):
    text = "건물,값\n" + "강남 타워,22.5\n" * 50_000
    opened = source(path, gzip.compress(text.encode(encoding)))
    assert opened.columns() == ("건물", "값")
    frames = list(opened.batches(20_000))
    assert [frame.height for frame in frames] == [20_000, 20_000, 10_000]
    assert frames[2].row(9_999) == ("강남 타워", "22.5", None, 50_000)
    opened = source(path, gzip.compress("a\n1\n2".encode(encoding)), key="a")
    assert next(opened.batches())["@order"].to_list() == [1, 2]
    if encoding == "utf-8":
        assert opened.estimated_rows() == 2


def test_a_gzip_file_that_is_cut_off(path):
    packed = gzip.compress(b"a,b\n" + os.urandom(40_000).hex().encode())
    assert "cut off or damaged" in refused(path, packed[:20_000]).what
    damaged = bytearray(packed)
    damaged[9_000:9_100] = b"\xff" * 100
    assert "cut off or damaged" in refused(path, bytes(damaged)).what
    assert path.unlink() is None


def laid_out(path: Path, text: str, **options) -> CsvSource:
    facts = {name: options.pop(name) for name in ("separator", "roles", "ignored", "key") if name in options}
    return source(path, text, layout=CsvLayout(**options), **facts)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_without_a_header(path, end):
    opened = laid_out(path, end.join(["x;1,5", 'y;"2,\n5"', ""]), header=False, columns=("a", "b"))
    assert opened.columns() == ("a", "b")
    assert rows(opened) == [("x", "1,5"), ("y", "2,\n5")]
    # as many commas as semicolons: the columns tell
    assert rows(laid_out(path, "1,5;2,5;3,5\n", header=False, columns=("a", "b", "c"))) == [("1,5", "2,5", "3,5")]
    assert rows(laid_out(path, "1,5;2,5;3,5\n", header=False, columns=tuple("abcd"))) == [("1", "5;2", "5;3", "5")]


def test_a_file_without_a_header_has_the_columns_that_are_named(path):
    error = refused_by(laid_out(path, "1,2,3\n4,5,6\n", header=False, columns=("a", "b")))
    assert error.what == "Row 1 has 3 columns where `columns:` names 2."
    error = refused_by(laid_out(path, "1,2\n4,5,6\n", header=False, columns=("a", "b")))
    assert error.what == "Row 2 has 3 columns where `columns:` names 2."
    assert rows(laid_out(path, "1,2,\n4,5,\n", header=False, columns=("a", "b"))) == [("1", "2"), ("4", "5")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_before_the_header_and_a_row_of_units(path, end):
    lines = ['Report of "Meter 7', "made; today; by, somebody", "", "time;power", ";kW", "", "1;2", "3;4"]
    opened = laid_out(path, end.join(lines), skip_rows=2, units_row=True)
    assert opened.columns() == ("time", "power")
    assert rows(opened) == [("1", "2"), ("3", "4")]
    frame = next(opened.batches())
    assert frame["@order"].to_list() == [1, 2]
    assert "no 40 lines" in refused_by(laid_out(path, end.join(lines), skip_rows=40)).what
    assert rows(laid_out(path, "a,b" + end + "s,kW" + end, units_row=True)) == []
    assert rows(laid_out(path, "a,b", units_row=True)) == []
    assert "lines that are no data" in refused_by(laid_out(path, "a,b\n", skip_rows=1)).what


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", [7, 1 << 20])
def test_comment_lines(path, end, block, monkeypatch):
    monkeypatch.setattr("energy_platform.sources.text._CHUNK_BYTES", block)
    lines = [
        "# made by a logger", "", '# 5" pipe', "a,b", "#,", "s,kW", "# what follows is data", "1,#2",
        '"x', "# no comment", 'y",3', "# a comment", '4," # 5"""', ' # 6,"7""', '# 8"', '9,5" pipe', "# the end",
    ]  # fmt: skip
    opened = laid_out(path, end.join(lines), comment="#", units_row=True)
    found = rows(opened)
    text = end.join(["x", "# no comment", "y"])
    assert opened.columns() == ("a", "b")
    assert found == [("1", "#2"), (text, "3"), ("4", ' # 5"'), (" # 6", f'7"{end}# 8'), ("9", '5" pipe')]
    assert "lines that are no data" in refused_by(laid_out(path, end.join(lines[:3]), comment="#")).what


@given(
    st.lists(st.tuples(st.text('a#",\n', max_size=5), st.text('b# "\n', max_size=5)), min_size=1, max_size=6),
    st.lists(st.text('#c", ', max_size=4), max_size=4),
    st.integers(1, 40),
)
@settings(max_examples=100, deadline=None)
def test_comments_between_rows_change_nothing(table, comments, block):
    def written(fields):
        return ",".join('"' + field.replace('"', '""') + '"' for field in fields) + "\n"

    records = [written(row) for row in table]
    for place, comment in enumerate(comments):
        records.insert(2 * place, f"#{comment}\n")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("energy_platform.sources.text._CHUNK_BYTES", block)
        opened = laid_out(Path(folder, "a.csv"), "x,y\n" + "".join(records), comment="#")
        assert rows(opened) == table


def test_separators_behind_the_last_column(path):
    for text in ("a,b,\n1,2,\n3,4,\n", "a,b,,\n1,2,,\n3,4,,\n", "a,b\n1,2,\n3,4,\n", "a,b,\n1,2\n3,4\n"):
        opened = source(path, text)
        assert opened.columns() == ("a", "b")
        assert rows(opened) == [("1", "2"), ("3", "4")]
    # what holds something, or is named for a reason, is a column
    assert source(path, "a,b,,\n1,2,,\n3,4,x,\n").columns() == ("a", "b", "")
    assert source(path, "a,\n1,\n", roles={"message": Role(column="")}).columns() == ("a", "")
    assert source(path, "a,\n1,\n", ignored={"": "why"}).columns() == ("a", "")
    assert "Row 1 has 3 columns where the header has 2" in refused(path, "a,b\n1,2,3\n").what
    assert "Row 2 has 2 columns where the header has 3" in refused(path, "a,b\n1,2,\n3,4\n").what
    opened = source(path, "a,b,\n1,2,\n")
    assert opened.columns() == ("a", "b")
    path.write_text("a,b,\n1,2,\n3,4,5\n")
    assert opened.columns() == ("a", "b", "")
