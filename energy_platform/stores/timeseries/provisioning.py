"""What InfluxDB needs before the first point: an organisation, a bucket, and a token for that bucket alone.

Administration goes by InfluxDB's own client, which is imported here and nowhere else; points never do.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from energy_platform.domain.errors import StoreAccessError, StoreError, StoreUnavailableError, is_distrust
from energy_platform.stores.timeseries.influx_requests import distrusted

if TYPE_CHECKING:
    from influxdb_client.client.influxdb_client import InfluxDBClient
    from influxdb_client.domain.bucket import Bucket

TOKEN_DESCRIPTION: Final = "energy-platform: reads and writes one bucket"  # noqa: S105  shown beside the token
_TIMEOUT_SECONDS: Final = 10
_REFUSED: Final = {401, 403}
_CONFLICT: Final = 422


class InfluxAdministration:
    """One organisation and bucket of an InfluxDB, looked at and made with a given token.

    Args:
        url: of the server.
        token: an administrator's, or the one that is to be tried.
        organisation: its name.
        bucket: its name.
    """

    def __init__(self, url: str, token: str, *, organisation: str, bucket: str) -> None:
        self._url, self._token = url, token
        self.organisation, self.bucket = organisation, bucket
        parts = urlsplit(url)
        self.place = f"InfluxDB {parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def has_bucket(self) -> bool:
        """Whether the token sees the bucket.

        Raises:
            StoreError: the server does not answer, or refuses the token.
        """
        with self._client() as client:
            return self._found(client) is not None

    def ensure_bucket(self) -> list[str]:
        """Make the organisation and the bucket where they are missing; says, in a few words each, what was made.

        The bucket keeps everything. Two who do it at once make one.

        Raises:
            StoreAccessError: the token may not make what is missing.
            StoreError: the server does not answer, or refuses.
        """
        made: list[str] = []
        with self._client() as client:
            if self._found(client) is not None:
                return made
            number = self._organisation_number(client)
            if number is None:
                number = self._made_organisation(client)
                made.append(f"organisation {self.organisation}")
            with self._unless_there():
                client.buckets_api().create_bucket(bucket_name=self.bucket, org=number)
                made.append(f"bucket {self.bucket}")
        return made

    def make_token(self) -> str:
        """A new token that reads and writes the bucket, and may do nothing else.

        Raises:
            StoreAccessError: our own token may not make one.
            StoreError: the server does not answer, or refuses.
        """
        from influxdb_client.domain.authorization import Authorization
        from influxdb_client.domain.permission import Permission
        from influxdb_client.domain.permission_resource import PermissionResource

        with self._client() as client:
            bucket = self._found(client)
            if bucket is None:
                raise self._no_bucket()
            of_bucket = PermissionResource(type="buckets", id=bucket.id, org_id=bucket.org_id)
            permissions = [Permission(action=action, resource=of_bucket) for action in ("read", "write")]
            made = client.authorizations_api().create_authorization(
                authorization=Authorization(
                    org_id=bucket.org_id, permissions=permissions, description=TOKEN_DESCRIPTION
                )
            )
            return str(made.token)

    def check_rights(self) -> None:
        """Try whether the token sees the bucket, and may read and write it. Nothing is written.

        Raises:
            StoreAccessError: it may not.
            StoreError: the server does not answer, or refuses.
        """
        from influxdb_client.client.write_api import SYNCHRONOUS

        with self._client() as client:
            if self._found(client) is None:
                raise self._no_bucket()
            name = json.dumps(self.bucket)
            client.query_api().query(f"from(bucket: {name}) |> range(start: -1s) |> limit(n: 1)")
            # a comment is written without a trace, and refused all the same
            client.write_api(write_options=SYNCHRONOUS).write(self.bucket, record="# nothing")

    @contextlib.contextmanager
    def _client(self) -> Iterator[InfluxDBClient]:
        from influxdb_client.client.influxdb_client import InfluxDBClient

        parts = urlsplit(self._url)
        # the client asks for no proxy by itself, and one is for the world outside
        proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
        with (
            self._errors(),
            InfluxDBClient(
                self._url,
                self._token,
                org=self.organisation,
                timeout=_TIMEOUT_SECONDS * 1000,
                proxy=None if parts.hostname in ("127.0.0.1", "localhost", "::1") else proxy,
            ) as client,
        ):
            yield client

    def _found(self, client: InfluxDBClient) -> Bucket | None:
        from influxdb_client.rest import ApiException

        try:
            found = client.buckets_api().find_buckets(name=self.bucket, org=self.organisation)
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        buckets: list[Any] = getattr(found, "buckets", None) or []
        return next((bucket for bucket in buckets if bucket.name == self.bucket), None)

    def _organisation_number(self, client: InfluxDBClient) -> str | None:
        from influxdb_client.rest import ApiException

        try:
            found = client.organizations_api().find_organizations(org=self.organisation)
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return next((organisation.id for organisation in found or []), None)

    def _made_organisation(self, client: InfluxDBClient) -> str:
        with self._unless_there():
            client.organizations_api().create_organization(name=self.organisation)
        number = self._organisation_number(client)
        if number is None:
            raise StoreAccessError(
                f"There is no organisation {self.organisation} that the token may see.",
                where=self.place,
                remedy="Check ENERGY_INFLUX_ORG; a token's rights end with its organisation.",
            )
        return number

    @contextlib.contextmanager
    def _unless_there(self) -> Iterator[None]:
        """Whoever makes the same at the same time is as good."""
        from influxdb_client.rest import ApiException

        try:
            yield
        except ApiException as error:
            if error.status != _CONFLICT:
                raise

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError, MaxRetryError

        try:
            yield
        except ApiException as error:
            said = _said(error)
            if is_distrust(error):
                raise distrusted(self.place) from None
            if error.status in _REFUSED:
                raise StoreAccessError(
                    f"InfluxDB refuses the token, or the token lacks a right: {said}.",
                    where=self.place,
                    remedy="Check the token and its rights: to make buckets and tokens it must be an administrator's;"
                    " one that reads and writes the bucket is enough for everything else.",
                ) from None
            raise StoreError(
                f"InfluxDB refuses ({error.status}): {said}.",
                where=self.place,
                remedy="Check ENERGY_INFLUX_URL, ENERGY_INFLUX_ORG and ENERGY_INFLUX_BUCKET.",
            ) from None
        except HTTPError as error:
            reason = error.reason if isinstance(error, MaxRetryError) else error
            raise StoreUnavailableError(
                f"InfluxDB does not answer ({type(reason).__name__}).",
                where=self.place,
                remedy="Check ENERGY_INFLUX_URL, and that the server runs.",
            ) from None

    def _no_bucket(self) -> StoreAccessError:
        return StoreAccessError(
            f"The token sees no bucket {self.bucket} in the organisation {self.organisation}.",
            where=self.place,
            remedy="Make the bucket, or give the token the right to read and write it.",
        )


def _said(error: Any) -> str:
    """What the server says, on one line."""
    try:
        said = str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        said = str(error.reason or "no reason given")
    return " ".join(said.split()).rstrip(".")[:300]
