"""Names of keys are the design's, and can be read back whatever a code holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.stores.cache.keys import (
    ANALYSIS,
    LATEST,
    NOTIFICATIONS,
    PREDICTION,
    SESSION,
    BuildingKey,
    SingleKey,
    cached_prediction,
    latest_building,
    notifications_building,
    parse,
    parse_building,
    temporary_analysis,
    user_session,
)

CODES = st.one_of(st.text(max_size=12), st.text(alphabet="%:{}257AabB건 \n*?[]", max_size=8))


def test_the_names_are_those_of_the_design() -> None:
    assert latest_building("default", "B001") == "latest:building:{default:B001}"
    assert notifications_building("default", "B001") == "notifications:building:{default:B001}"
    assert cached_prediction("default", "B001") == "cache:prediction:{default:B001}"
    assert user_session("42") == "session:user:{42}"
    assert temporary_analysis("a-1") == "temp:analysis:{a-1}"


def test_special_characters_are_encoded_and_others_stand() -> None:
    assert latest_building("a:b", "{c}%") == "latest:building:{a%3Ab:%7Bc%7D%25}"
    assert latest_building("회사", "본관-1") == "latest:building:{회사:본관-1}"
    assert latest_building("a b", "c\n") == "latest:building:{a%20b:c%0A}"


@given(tenant=CODES, code=CODES)
def test_keys_of_buildings_can_be_read_back(tenant: str, code: str) -> None:
    for prefix, build in (
        (LATEST, latest_building),
        (NOTIFICATIONS, notifications_building),
        (PREDICTION, cached_prediction),
    ):
        key = build(tenant, code)
        assert parse(key) == parse_building(key) == BuildingKey(prefix, tenant, code)
        assert key.count("{") == key.count("}") == 1
        assert key.endswith("}")


@given(identity=CODES)
def test_keys_of_sessions_and_analyses_can_be_read_back(identity: str) -> None:
    for prefix, build in ((SESSION, user_session), (ANALYSIS, temporary_analysis)):
        assert parse(build(identity)) == SingleKey(prefix, identity)
        assert parse_building(build(identity)) is None


@given(first=st.tuples(CODES, CODES), second=st.tuples(CODES, CODES))
def test_no_two_buildings_share_a_key(first: tuple[str, str], second: tuple[str, str]) -> None:
    assert (latest_building(*first) == latest_building(*second)) == (first == second)


@given(key=st.text(alphabet="latest:building{}%3Aax", max_size=40))
def test_what_can_be_read_back_is_what_would_be_written(key: str) -> None:
    found = parse_building(key)
    assert found is None or latest_building(found.tenant_id, found.building_id) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "latest:building:default:B001",
        "latest:building:{default}",
        "latest:building:{a:b:c}",
        "latest:building:{a:b}x",
        "latest:sensor:{a:b}",
        "session:user:{a:b}",
        # other spellings of keys that are written differently
        "latest:building:{%61:b}",
        "latest:building:{a%3ab:c}",
        "latest:building:{a%:b}",
    ],
)
def test_other_keys_are_not_ours(key: str) -> None:
    assert parse(key) is None
