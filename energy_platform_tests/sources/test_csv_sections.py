"""Sections of CSV files: the same rows as by reading all of them, and the same hash for the same rows alone."""

import gzip
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.domain.errors import SourceError
from energy_platform.sources.csv import sections
from energy_platform.sources.csv.reader import CsvSource
from energy_platform.sources.opening import open_source
from energy_platform.sources.spec import CsvLayout, SourceSpec

LINES = st.lists(
    st.sampled_from(["1,a", "2,b", ",", "33333,c d", "", " ,x", "4,é", "건물,5", '"6","f"', '7,"g, ""h"""', '"",""']),
    min_size=1,
    max_size=40,
)
#: Of these, lines may be rows, parts of rows, or wrong.
PIECES = st.lists(st.sampled_from(["1", ",", '"', '""', "\n", "\r\n", "a", " "]), max_size=25)
ENDS = st.sampled_from(["\n", "\r\n"])


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    monkeypatch.setattr(sections, "SECTION_ROWS", 4)


def source(path: Path, content: bytes, **facts) -> CsvSource:
    path.write_bytes(content)
    opened = open_source(SourceSpec(path.name, "csv", path, "energy_consumption", where="estate.yaml", **facts))
    assert isinstance(opened, CsvSource)
    return opened


def rows_of(frames) -> list[tuple]:
    return [row for frame in frames for row in frame.rows()]


def text(lines: list[str], end: str, last: bool) -> bytes:
    return (end.join(["a,b", *lines]) + (end if last else "")).encode()


@given(lines=LINES, end=ENDS, last=st.booleans(), places=st.data(), chunk=st.integers(1, 50))
@settings(max_examples=150, deadline=None)
def test_any_stretch_holds_the_rows_that_reading_all_gives(lines, end, last, places, chunk):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(sections, "_CHUNK_BYTES", chunk)
        opened = source(Path(folder) / "a.csv", text(lines, end, last))
        everything = rows_of(opened.batches())
        first = places.draw(st.integers(1, len(everything) + 3))
        second = places.draw(st.integers(first, len(everything) + 5))
        found = rows_of(opened.streams(3, 1, [(first, second)])[0])
        assert found == [row for row in everything if first <= row[-1] <= second]
        parts = opened.parts()
        assert parts is not None
        assert parts["last"].to_list() == [*range(4, len(everything), 4), *([len(everything)] if everything else [])]


@given(one=LINES, other=LINES, end=ENDS)
@settings(max_examples=150, deadline=None)
def test_parts_with_the_same_hash_at_the_same_place_hold_the_same_rows(one, other, end):
    shared = [*one, *one, *other]
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for number, lines in enumerate((shared, [*one, *other])):
            opened = source(Path(folder) / f"{number}.csv", text(lines, end, last=True))
            parts = opened.parts()
            assert parts is not None
            first = (parts["last"].shift() + 1).fill_null(1)
            everything = rows_of(opened.batches())
            found.append(
                {
                    (a, b, mark): [row for row in everything if a <= row[-1] <= b]
                    for a, b, mark in zip(first, parts["last"], parts["hash"], strict=True)
                }
            )
        for place in found[0].keys() & found[1].keys():
            assert found[0][place] == found[1][place]


@given(pieces=PIECES, places=st.tuples(st.integers(1, 6), st.integers(0, 6)))
@settings(max_examples=400, deadline=None)
def test_wherever_quotes_stand_the_rows_are_those_that_reading_all_gives(pieces, places):
    with tempfile.TemporaryDirectory() as folder:
        opened = source(Path(folder) / "a.csv", f"a,b\n1,2\n{''.join(pieces)}\n".encode())
        try:
            everything = rows_of(opened.batches())
        except SourceError:
            return
        first, last = places[0], places[0] + places[1]
        found = rows_of(opened.streams(3, 1, [(first, last)])[0])
        assert found == [row for row in everything if first <= row[-1] <= last]
        parts = opened.parts()
        assert parts is None or parts["last"][-1] == len(everything)


def test_rows_behind_the_old_end_change_the_last_part_alone(tmp_path):
    lines = [f"{number},x" for number in range(10)]
    before = source(tmp_path / "a.csv", text(lines, "\n", last=True)).parts()
    after = source(tmp_path / "a.csv", text([*lines, "10,x"], "\n", last=True)).parts()
    assert before is not None
    assert after is not None
    assert before["last"].to_list() == [4, 8, 10]
    assert after["last"].to_list() == [4, 8, 11]
    assert before["hash"].to_list()[:2] == after["hash"].to_list()[:2]
    assert before["hash"][2] != after["hash"][2]


def test_under_another_header_the_same_bytes_are_other_rows(tmp_path):
    one = source(tmp_path / "a.csv", b"a,b\n1,2\n").parts()
    other = source(tmp_path / "a.csv", b"b,a\n1,2\n").parts()
    assert one is not None
    assert other is not None
    assert one["hash"][0] != other["hash"][0]


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        (b'a,b\n1,"x\ny"\n', {}),
        (b"a,b\r1,2\r3,4\r", {}),
        (b"a,b\n1,2\n", {"key": "a"}),
        (b"a,b\n1,2\n# 3\n", {"layout": CsvLayout(comment="#")}),
    ],
    ids=["a quoted line end", "returns alone", "ordered by a key", "comments"],
)
def test_what_is_not_plain_has_no_parts_and_is_read_all_the_same(tmp_path, content, facts):
    opened = source(tmp_path / "a.csv", content, **facts)
    assert opened.parts() is None
    everything = rows_of(opened.batches())
    assert rows_of(opened.streams(10, 1, [(1, 1)])[0]) == [row for row in everything if row[-1] == 1]


@pytest.mark.parametrize("pack", [lambda text: text, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp949"])
def test_any_encoding_is_read_in_sections(tmp_path, encoding, pack):
    lines = "".join(f"{number},건물 {number % 7}\n" for number in range(30))
    opened = source(tmp_path / "a.csv", pack(f"a,이름\n{lines}".encode(encoding)))
    found = rows_of(opened.streams(10, 1, [(6, 6), (18, 19)])[0])
    assert found == [("5", "건물 5", None, 6), ("17", "건물 3", None, 18), ("18", "건물 4", None, 19)]


def test_an_error_in_a_section_names_the_row_of_the_file(tmp_path):
    lines = [f"{number},x" for number in range(30)]
    lines[21] = "21,x,too many"
    opened = source(tmp_path / "a.csv", text(lines, "\n", last=True))
    with pytest.raises(SourceError, match="Row 22 has 3 columns"):
        rows_of(opened.streams(10, 1, [(21, 23)])[0])


def test_a_file_without_rows_has_no_parts_in_it(tmp_path):
    parts = source(tmp_path / "a.csv", b"a,b\n\n\n").parts()
    assert parts is not None
    assert parts.equals(pl.DataFrame(schema={"last": pl.Int64, "hash": pl.UInt64}))
