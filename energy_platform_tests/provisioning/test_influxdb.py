"""Bucket and token on a real InfluxDB: made once, kept, made anew when revoked; and tokens of less right."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.authorization import Authorization
from influxdb_client.domain.permission import Permission
from influxdb_client.domain.permission_resource import PermissionResource
from pydantic import SecretStr

from energy_platform.domain.errors import SettingError, StoreAccessError, StoreUnavailableError
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.provisioning.influxdb import TOKEN_FILE, provision_influxdb
from energy_platform.settings import Settings
from energy_platform.stores.timeseries.influxdb import InfluxTimeSeries
from energy_platform_tests.stores.timeseries import samples

BUCKET = "provisioned"


@pytest.fixture
def administrator(influx: Settings) -> Iterator[InfluxDBClient]:
    """As the operator; the bucket of these tests and all further tokens are removed before and after."""
    with InfluxDBClient(influx.influx_url, influx.influx_token.get_secret_value(), org=influx.influx_org) as client:

        def remove() -> None:
            if bucket := client.buckets_api().find_bucket_by_name(BUCKET):
                client.buckets_api().delete_bucket(bucket)
            for token in client.authorizations_api().find_authorizations():
                if token.description.startswith(("energy-platform: ", "test")):
                    client.authorizations_api().delete_authorization(token)

        remove()
        yield client
        remove()


@pytest.fixture
def settings(influx: Settings, administrator: InfluxDBClient, tmp_path: Path) -> Settings:
    """An operator's token, none for the platform, and a folder of secrets that is not there yet."""
    return loaded(influx, tmp_path / "secrets", provision_influx_token=influx.influx_token)


def loaded(influx: Settings, folder: Path, **values: object) -> Settings:
    return Settings.model_validate(
        {"influx_url": influx.influx_url, "influx_bucket": BUCKET, "secrets_dir": folder, **values}
    )


def again(settings: Settings) -> Settings:
    """The settings as the next process reads them: with the token of the file."""
    names = settings.model_fields_set - {"influx_token"}
    return Settings(**{name: getattr(settings, name) for name in names})


def provisioned(settings: Settings) -> str:
    said: list[str] = []
    provision_influxdb(settings, said.append)
    (sentence,) = said
    assert sentence.startswith(f"InfluxDB {settings.influx_url}: ")
    return sentence.removeprefix(f"InfluxDB {settings.influx_url}: ")


def tokens(administrator: InfluxDBClient) -> list[tuple[str, str, str]]:
    """Every token: its text, its state, its rights."""
    return sorted(
        (
            token.token,
            token.status,
            " ".join(sorted(f"{p.action}:{p.resource.type}:{p.resource.name}" for p in token.permissions)),
        )
        for token in administrator.authorizations_api().find_authorizations()
    )


def scoped(administrator: InfluxDBClient, *actions: str) -> str:
    """A token with these rights on the bucket, as somebody made it in the UI."""
    bucket = administrator.buckets_api().find_bucket_by_name(BUCKET)
    resource = PermissionResource(type="buckets", id=bucket.id, org_id=bucket.org_id)
    wanted = Authorization(
        org_id=bucket.org_id,
        permissions=[Permission(action=action, resource=resource) for action in actions],
        description="test",
    )
    return administrator.authorizations_api().create_authorization(authorization=wanted).token


def make_bucket(administrator: InfluxDBClient) -> None:
    administrator.buckets_api().create_bucket(bucket_name=BUCKET)


def test_bucket_and_token_are_made_once_and_the_platform_works_with_them(
    settings: Settings, administrator: InfluxDBClient
) -> None:
    file = Path(str(settings.secrets_dir)) / TOKEN_FILE
    assert provisioned(settings) == f"made bucket {BUCKET}, a token for the bucket alone (in {file})."
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    bucket = administrator.buckets_api().find_bucket_by_name(BUCKET)
    assert [rule.every_seconds for rule in bucket.retention_rules] in ([], [0])

    used = again(settings)
    measurement, store, tenant = MEASUREMENTS["sensor_data"], InfluxTimeSeries(used), samples.new_tenant()
    written = samples.points(measurement, [samples.reading(tenant)])
    store.prepare(measurement)
    store.write(measurement, written)
    samples.assert_holds(store, measurement, written, tenant)
    store.delete(measurement, written)
    samples.assert_holds(store, measurement, measurement.empty(), tenant)
    (rights,) = [rights for text, _, rights in tokens(administrator) if text == used.influx_token.get_secret_value()]
    assert rights == f"read:buckets:{BUCKET} write:buckets:{BUCKET}"

    before = tokens(administrator)
    assert provisioned(used) == provisioned(settings) == "bucket and token are there, and work."
    assert tokens(administrator) == before


def test_a_revoked_token_is_made_anew(settings: Settings, administrator: InfluxDBClient) -> None:
    provisioned(settings)
    used = again(settings)
    revoked = used.influx_token.get_secret_value()
    (token,) = [each for each in administrator.authorizations_api().find_authorizations() if each.token == revoked]
    token.status = "inactive"
    administrator.authorizations_api().update_authorization(token)
    assert provisioned(used).endswith("in place of one that is refused.")
    assert again(settings).influx_token.get_secret_value() != revoked
    InfluxTimeSeries(again(settings)).ping()


def test_two_at_once_make_one_token(settings: Settings, administrator: InfluxDBClient) -> None:
    before = len(tokens(administrator))
    with ThreadPoolExecutor(2) as pool:
        said = sorted(future.result() for future in [pool.submit(provisioned, settings) for _ in range(2)])
    assert said[0] == "bucket and token are there, and work."
    assert said[1].startswith(f"made bucket {BUCKET}, ")
    assert len(tokens(administrator)) == before + 1


def test_a_token_without_an_operators_rights_is_enough_where_the_bucket_is_there(
    influx: Settings, administrator: InfluxDBClient, tmp_path: Path
) -> None:
    make_bucket(administrator)
    given = SecretStr(scoped(administrator, "read", "write"))
    alone = loaded(influx, tmp_path, influx_token=given)
    assert provisioned(alone) == f"the token reads and writes the bucket {BUCKET}."
    both = loaded(influx, tmp_path, influx_token=given, provision_influx_token=scoped(administrator, "read"))
    assert provisioned(both) == "the token of ENERGY_INFLUX_TOKEN reads and writes the bucket."
    assert not (tmp_path / TOKEN_FILE).exists()


@pytest.mark.parametrize(("actions", "lacks"), [(("read",), "write"), (("write",), "bucket")])
def test_a_given_token_that_lacks_a_right_is_refused_and_kept(
    influx: Settings, administrator: InfluxDBClient, tmp_path: Path, actions: tuple[str, ...], lacks: str
) -> None:
    make_bucket(administrator)
    given = scoped(administrator, *actions)
    with pytest.raises(StoreAccessError, match=lacks):
        provisioned(loaded(influx, tmp_path, influx_token=SecretStr(given)))
    operated = loaded(influx, tmp_path, influx_token=SecretStr(given), provision_influx_token=influx.influx_token)
    with pytest.raises(StoreAccessError, match="The token of ENERGY_INFLUX_TOKEN may not read and write the bucket"):
        provisioned(operated)
    assert not (tmp_path / TOKEN_FILE).exists()


def test_an_administrators_token_that_may_make_nothing_says_which_right_it_lacks(
    influx: Settings, administrator: InfluxDBClient, tmp_path: Path
) -> None:
    make_bucket(administrator)
    reading = SecretStr(scoped(administrator, "read"))
    with pytest.raises(StoreAccessError, match=r"lacks a right: write:.*authorizations is unauthorized"):
        provisioned(loaded(influx, tmp_path, provision_influx_token=reading))
    with pytest.raises(StoreAccessError, match=r"lacks a right: write:orgs is unauthorized"):
        provisioned(loaded(influx, tmp_path, provision_influx_token=reading, influx_bucket="another"))


def test_what_cannot_be_done_is_said(influx: Settings, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="ENERGY_SECRETS_DIR: A token is to be made"):
        provisioned(settings.model_copy(update={"secrets_dir": None}))
    with pytest.raises(SettingError, match="ENERGY_INFLUX_TOKEN: There is no token"):
        provisioned(loaded(influx, tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="cannot be written"):
        provisioned(settings.model_copy(update={"secrets_dir": tmp_path / "file"}))
    with pytest.raises(StoreAccessError, match="refuses the token") as caught:
        provisioned(settings.model_copy(update={"provision_influx_token": SecretStr("wrong-0a1b2c")}))
    assert "0a1b2c" not in str(caught.value)
    with pytest.raises(StoreUnavailableError, match=r"InfluxDB http://127.0.0.1:1: InfluxDB does not answer"):
        provisioned(settings.model_copy(update={"influx_url": "http://127.0.0.1:1"}))
