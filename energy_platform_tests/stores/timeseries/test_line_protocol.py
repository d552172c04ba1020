"""Line protocol as text: what the contract tests show end to end, here character by character."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.domain.measurements import ALERTS, SENSOR_DATA
from energy_platform.domain.points import SeriesPoints
from energy_platform.stores.timeseries import influxql
from energy_platform.stores.timeseries.interface import checked_points
from energy_platform.stores.timeseries.line_protocol import body, heads, joined, lines

TIME = datetime(2024, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
MICROSECONDS = 1_709_294_400_000_001


def line(**values: object) -> str:
    row = {"tenant_id": "t", "building_id": "B001", "sensor_id": "S1", "sensor_type": "", "time": TIME, **values}
    frame = checked_points(SENSOR_DATA, pl.DataFrame([row], schema_overrides={"time": pl.Datetime("us", "UTC")}))
    return lines(SENSOR_DATA, SeriesPoints.of(frame, SENSOR_DATA)).item()


def test_tags_stand_in_order_of_their_names_and_an_absent_one_is_left_out() -> None:
    assert line(value=21.5) == f"sensor_data,building_id=B001,sensor_id=S1,tenant_id=t value=21.5 {MICROSECONDS}"
    assert line(value=1.0, sensor_type="power").split(" ")[0].endswith(",sensor_type=power,tenant_id=t")


def test_special_characters_of_tags() -> None:
    assert "sensor_id=a\\ b\\,c\\=d\\e," in line(sensor_id="a b,c=d\\e", value=1.0)


def test_special_characters_of_texts() -> None:
    assert 'state="a \\"b\\" \\\\ c,d=e\nf"' in line(state='a "b" \\ c,d=e\nf')


def test_an_absent_field_is_left_out_and_an_empty_text_is_not() -> None:
    assert line(value=1.0, state=None, status="").split(" ")[1] == 'value=1.0,status=""'
    assert line(value=None, state="", confidence=0.5).split(" ")[1] == 'state="",confidence=0.5'


def test_flags_and_times_before_1970() -> None:
    frame = pl.DataFrame(
        [{"tenant_id": "t", "building_id": "B", "time": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
          "message": "m", "resolved": False}],
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    ).with_columns(sensor_id=pl.lit(None), severity=pl.lit(None, dtype=pl.String), alert_type=pl.lit(""))  # fmt: skip
    told = SeriesPoints.of(checked_points(ALERTS, frame), ALERTS)
    expected = b'alerts,building_id=B,tenant_id=t message="m",resolved=false -1\n'
    assert b"".join(body(ALERTS, heads(ALERTS, told.series), told.rows)) == expected


def test_many_points_of_some_series_some_of_them_with_fields_that_others_lack() -> None:
    row = {"tenant_id": "t", "building_id": "B", "sensor_id": "S", "sensor_type": ""}
    rows = [
        {**row, "value": 1.0, "status": "a", "time": TIME},
        {**row, "sensor_id": "T", "value": None, "status": 'b"', "time": TIME},
        {**row, "value": -2.5e-7, "status": None, "time": TIME.replace(microsecond=2)},
    ]
    frame = checked_points(SENSOR_DATA, pl.DataFrame(rows, schema_overrides={"time": pl.Datetime("us", "UTC")}))
    told = SeriesPoints.of(frame, SENSOR_DATA)
    head = "sensor_data,building_id=B,sensor_id={},tenant_id=t "
    expected = [
        head.format("S") + f'value=1.0,status="a" {MICROSECONDS}',
        head.format("T") + f'status="b\\"" {MICROSECONDS}',
        head.format("S") + f"value=-2.5e-7 {MICROSECONDS + 1}",
    ]
    assert lines(SENSOR_DATA, told).to_list() == expected
    assert b"".join(body(SENSOR_DATA, heads(SENSOR_DATA, told.series), told.rows)).decode().splitlines() == expected
    (part,) = body(SENSOR_DATA, heads(SENSOR_DATA, told.series), told.rows[1:2])
    assert bytes(part).decode() == f"{expected[1]}\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1), st.data())
def test_texts_are_joined_wherever_they_stand_in_memory(texts: list[str], data: st.DataObject) -> None:
    series = pl.Series(texts, dtype=pl.String)
    places = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1))
    chosen = [texts[place] for place in places]
    assert b"".join(joined(series)) == "".join(texts).encode()
    assert b"".join(joined(series.gather(places))) == "".join(chosen).encode()
    assert b"".join(joined(series[: places[0] + 1])) == "".join(texts[: places[0] + 1]).encode()
    assert b"".join(joined(pl.concat([series, series.gather(places)]))) == "".join([*texts, *chosen]).encode()
    behind = pl.select(pl.concat_str(pl.lit(series), pl.lit(" and so many bytes\n"))).to_series()
    assert b"".join(joined(behind)) == "".join(f"{text} and so many bytes\n" for text in texts).encode()


def test_lines_are_not_copied() -> None:
    lines = pl.select(pl.concat_str(pl.lit(pl.Series(["line"] * 5_000)), pl.lit(" with a value\n"))).to_series()
    assert len(joined(lines)) > 1


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_a_float_and_reads_back_as_the_same(number: float) -> None:
    _, field, _ = line(value=number).rsplit(" ", 2)
    name, _, text = field.partition("=")
    assert name == "value"
    assert float(text).hex() == number.hex()
    assert not text.endswith("i")
    assert len(text) <= 24


def parsed_tags(head: str) -> dict[str, str]:
    """A second reading of the grammar: a backslash before comma, equals sign or space is taken away."""
    parts: list[list[str]] = [[""]]
    position = 0
    while position < len(head):
        character = head[position]
        if character == "\\" and head[position + 1 : position + 2] in {",", "=", " "}:
            parts[-1][-1] += head[position + 1]
            position += 1
        elif character == ",":
            parts.append([""])
        elif character == "=":
            parts[-1].append("")
        else:
            parts[-1][-1] += character
        position += 1
    return dict(parts[1:])


tags = st.text(st.sampled_from("a ,=\\\"'한\t{"), min_size=1, max_size=8).filter(lambda text: not text.endswith("\\"))


@given(building=tags, sensor=tags, kind=tags)
def test_tags_of_any_content_can_be_told_apart(building: str, sensor: str, kind: str) -> None:
    written = line(building_id=building, sensor_id=sensor, sensor_type=kind, value=1.0)
    head = written.removesuffix(f" value=1.0 {MICROSECONDS}")
    assert head != written
    assert parsed_tags(head) == {"building_id": building, "sensor_id": sensor, "sensor_type": kind, "tenant_id": "t"}


@given(st.text(st.sampled_from("a ,=\\\"'한\n{"), max_size=12))
def test_a_text_ends_where_it_should(text: str) -> None:
    written = line(state=text).partition(' state="')[2].removesuffix(f'" {MICROSECONDS}')
    unescaped = written.replace("\\\\", "\0").replace('\\"', '"').replace("\0", "\\")
    assert unescaped == text
    assert '"' not in written.replace("\\\\", "").replace('\\"', "")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("plain", "'plain'"), ("it's", "'it\\'s'"), ("\\", "'\\\\'"), ("\\' OR 1=1", "'\\\\\\' OR 1=1'"), ('"', "'\"'")],
)
def test_influxql_texts(text: str, quoted: str) -> None:
    assert influxql.literal(text) == quoted


def test_influxql_names_times_and_conditions() -> None:
    assert influxql.name('a "b" \\') == '"a \\"b\\" \\\\"'
    assert influxql.instant(TIME) == f"{MICROSECONDS}u"
    assert influxql.instant(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == "-1u"
    assert influxql.condition(["a", "b'"], TIME, None) == (
        f"(\"tenant_id\"::tag = 'a' OR \"tenant_id\"::tag = 'b\\'') AND time >= {MICROSECONDS}u"
    )
