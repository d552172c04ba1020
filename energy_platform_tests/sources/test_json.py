"""JSON files: arrays of objects, flattened, with every digit they have."""

import gzip
import math
from pathlib import Path

import polars as pl
import pytest

from energy_platform.domain.errors import EstateError, SourceError, SourceMissingError
from energy_platform.sources.json.reader import JsonSource
from energy_platform.sources.opening import open_source
from energy_platform.sources.spec import SourceSpec


def source(path: Path, text: str | bytes | None = None, at: str | None = None, **facts) -> JsonSource:
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    name = f"{path.name}/{at}" if at else path.name
    opened = open_source(SourceSpec(name, "json", path, "sensors", at=at, where="estate.yaml: tables.sensors", **facts))
    assert isinstance(opened, JsonSource)
    return opened


def whole(opened: JsonSource) -> pl.DataFrame:
    return pl.concat(opened.batches(1000))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.json"


def refused(path: Path, text: str | bytes | None = None, **facts) -> SourceError:
    opened = source(path, text, **facts)
    with pytest.raises(SourceError) as caught:
        list(opened.batches())
    assert caught.value.where.startswith("a.json")
    assert caught.value.remedy
    return caught.value


def column(path: Path, *values: str) -> pl.Series:
    return whole(source(path, "[" + ", ".join(f'{{"v": {value}}}' for value in values) + "]"))["v"]


def test_an_array_of_objects(path):
    opened = source(path, '[{"a": 1, "b": {"c": "x", "d": {"e": 2}}}, {"a": 3, "f": [1, "ü"], "g": {}}]')
    assert opened.columns() == ("a", "b.c", "b.d.e", "f", "g")
    assert opened.row_count() == 2
    assert whole(opened).to_dicts() == [
        {"a": 1, "b.c": "x", "b.d.e": 2, "f": None, "g": None, "@key": None, "@order": 1},
        {"a": 3, "b.c": None, "b.d.e": None, "f": '[1, "ü"]', "g": "{}", "@key": None, "@order": 2},
    ]


def test_an_object_of_arrays_has_groups(path):
    text = '{"version": 2, "all": {"sensors": {"t": [{"id": "a"}], "none": [], "h": [{"id": "b"}, {"id": "c"}]}}}'
    opened = source(path, text, at="all.sensors")
    assert opened.columns() == ("@group", "id")
    assert whole(opened).rows() == [("t", "a", None, 1), ("h", "b", None, 2), ("h", "c", None, 3)]
    assert list(source(path, text, at="all.sensors.h").columns()) == ["id"]


def test_empty_arrays(path):
    for text in ("[]", "{}", '{"a": [], "b": []}'):
        opened = source(path, text)
        assert opened.columns() == ()
        assert list(opened.batches()) == []
        assert opened.row_count() == 0


def test_batches(path):
    opened = source(path, "[" + ",".join(f'{{"a": {i}}}' for i in range(7)) + "]")
    frames = list(opened.batches(3))
    assert [frame.height for frame in frames] == [3, 3, 1]
    assert pl.concat(frames)["@order"].to_list() == list(range(1, 8))


def test_columns_take_the_type_of_what_they_hold(path):
    assert column(path, "1", "null", "9223372036854775807").to_list() == [1, None, 2**63 - 1]
    assert column(path, "9223372036854775808", "1").to_list() == ["9223372036854775808", "1"]
    assert column(path, "true", "false", "null").dtype == pl.Boolean
    assert column(path, "1", "0.5").to_list() == [1.0, 0.5]
    assert column(path, "9007199254740993", "0.5").to_list() == ["9007199254740993", "0.5"]
    assert column(path, '"x"', "1", "true", "0.1", "null").to_list() == ["x", "1", "true", "0.1", None]
    assert column(path, "true", "1").to_list() == ["true", "1"]
    assert column(path, "null").dtype == pl.String
    numbers = column(path, "NaN", "Infinity", "-Infinity", "1e999", "1.5").to_list()
    assert math.isnan(numbers[0])
    assert numbers[1:] == [math.inf, -math.inf, math.inf, 1.5]


def test_a_null_where_other_rows_have_an_object_is_no_column(path):
    opened = source(path, '[{"t": null}, {"t": {"min": 1}}]')
    assert opened.columns() == ("t.min",)
    assert whole(opened)["t.min"].to_list() == [None, 1]
    assert source(path, '[{"t": 5}, {"t": {"min": 1}}]').columns() == ("t", "t.min")
    assert source(path, '[{"t": null}]').columns() == ("t",)


def test_keys(path):
    frame = whole(source(path, '[{"id": 7, "a": 1}, {"id": 3, "a": 2}]', key="id"))
    assert frame["@key"].to_list() == [None, None]
    assert frame["@order"].to_list() == [7, 3]
    frame = whole(source(path, '[{"id": "x"}, {"id": null}]', key="id"))
    assert frame["@key"].to_list() == ["x", None]
    assert frame["@order"].to_list() == [1, 2]
    with pytest.raises(EstateError, match=r"There is no column 'ID'.*Did you mean 'id'"):
        source(path, key="ID").columns()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_encodings(path, encoding):
    content = '[{"이름": "강남 타워"}]'.encode(encoding)
    for packed in (content, gzip.compress(content)):
        assert whole(source(path, packed))["이름"].to_list() == ["강남 타워"]


def test_what_is_no_json(path):
    error = refused(path, '[{"a": 1},\n {"a": }]')
    assert error.what == "It is no valid JSON: Expecting value, line 2, column 8."
    assert "Extra data, line 2" in refused(path, '{"a": 1}\n{"a": 2}').what
    assert "line 1" in refused(path, '[{"a": 1}').what
    assert refused(path, '[{"a": 1, "b": 2, "a": 3}]').what == "An object has the key 'a' twice (beside 'b')."
    assert "no JSON that can be read" in refused(path, "[" * 200_000).what
    assert "no JSON that can be read" in refused(path, f'[{{"a": {"9" * 5000}}}]').what
    assert "neither UTF-8" in refused(path, b'[{"a": "\xff\xff"}]').what
    assert "half a character in 'a'" in refused(path, '[{"a": "\\ud800 é"}]').what
    assert whole(source(path, '[{"a": "\\ud83d\\ude00"}]'))["a"].to_list() == ["😀"]


def test_missing_and_empty_files(path):
    with pytest.raises(SourceMissingError):
        source(path).columns()
    assert refused(path, "").what == "The file is empty (0 bytes)."


def test_elements_that_are_no_objects(path):
    assert refused(path, '[{"a": 1}, 5]').what == "The element [1] is a number, not an object."
    assert refused(path, '{"x": {"g": [{"a": 1}, null]}}', at="x").what == "The element g[1] is null, not an object."
    assert refused(path, '[{"a.b": 1, "a": {"b": 2}}]').what == "The element [0] has two values for 'a.b'."
    assert refused(path, '{"g": [{"@group": 1}]}').what == "The element g[0] has two values for '@group'."
    assert "reserved" in refused(path, '[{"@key": 1}]').what


def test_places_that_are_not_there(path):
    text = '{"sensors": {"list": [{"a": 1}]}, "version": 3}'
    error = refused(path, text, at="sensor.list")
    assert error.what == "There is nothing at 'sensor.list': the top level has no 'sensor'."
    assert error.remedy == "Did you mean 'sensors'? Keys there are 'sensors', 'version'."
    assert "version is a number" in refused(path, text, at="version.x").what
    error = refused(path, text)
    assert error.what == "At the top level stands an object, not an array of objects."
    assert "'sensors', 'version'" in error.remedy
    assert refused(path, text, at="version").what == "At 'version' stands a number, not an array of objects."
    assert "stands text" in refused(path, '"x"').what
