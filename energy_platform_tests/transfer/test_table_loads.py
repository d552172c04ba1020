"""Loads of whole tables: killed ones, ones that do not fit into memory, and ones over what is there."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from energy_platform.domain.accounts import Account
from energy_platform.domain.tables import BILLING
from energy_platform.local.environment import environment
from energy_platform.settings import Settings
from energy_platform.sources.estate import read_estate
from energy_platform.stores.postgres import ledger, quarantine, rows
from energy_platform.transfer.context import open_platform
from energy_platform.transfer.options import LoadOptions
from energy_platform.transfer.repair import unaccounted
from energy_platform.transfer.reports.verdicts import LoadReport
from energy_platform.transfer.tables.load import load_table
from energy_platform.transfer.verify import verify

ASSET = "postgres/billing"
numbers = count()
ESTATE = """\
estate: {code}
timezone: Asia/Seoul
first_day: 2025-05-01
last_day: open
tenant: {{code: {code}, name: Tables}}
tables:
  billing:
    - {{csv: first.csv, invoice_id: invoice, amount: amount, currency: currency, issued_on: issued}}
    - {{csv: second.csv, invoice_id: invoice, amount: amount, currency: currency, issued_on: issued}}
"""
KILLED = """\
import os, signal
from energy_platform.settings import Settings
from energy_platform.sources.estate import read_estate
from energy_platform.transfer.context import open_platform
from energy_platform.transfer.tables.load import load_table
from energy_platform.transfer.options import LoadOptions

def kill(step):
    if step.phase == {phase!r}:
        os.kill(os.getpid(), signal.SIGKILL)

settings = Settings()
with open_platform(settings, read_estate(settings.estate)) as platform:
    load_table(platform, "billing", LoadOptions(progress=kill))
"""


def write_estate(folder: Path, first: list[str], second: list[str]) -> str:
    code = f"tables{next(numbers)}"
    folder.mkdir(exist_ok=True)
    (folder / "estate.yaml").write_text(ESTATE.format(code=code), encoding="utf-8")
    write_sources(folder, first, second)
    return code


def write_sources(folder: Path, first: list[str], second: list[str]) -> None:
    for name, lines in (("first.csv", first), ("second.csv", second)):
        (folder / name).write_text("\n".join(["invoice,amount,currency,issued", *lines, ""]), encoding="utf-8")


def invoices(start: int, stop: int, currency: str = "KRW") -> list[str]:
    return [f"I{number:06},{number / 8},{currency},2025-06-{number % 28 + 1:02}" for number in range(start, stop)]


def load(settings: Settings, folder: Path, options: LoadOptions | None = None) -> LoadReport:
    with open_platform(settings, read_estate(folder)) as platform:
        load_table(platform, "tenants")
        return load_table(platform, "billing", options or LoadOptions())


def held(settings: Settings, folder: Path, code: str) -> pl.DataFrame:
    with open_platform(settings, read_estate(folder)) as platform, platform.postgres.connection() as connection:
        return rows.read_rows(connection, BILLING, [code])


@pytest.mark.parametrize("phase", ["writing", "proving"])
@pytest.mark.parametrize("before", [0, 12_000])
def test_a_killed_load_leaves_the_old_table_and_the_next_one_proves_the_new(
    stores: Settings, tmp_path: Path, phase: str, before: int
) -> None:
    code = write_estate(tmp_path, invoices(0, before), [])
    load(stores, tmp_path)
    old = held(stores, tmp_path, code)
    assert old.height == before
    write_sources(tmp_path, invoices(0, 30_000, "EUR"), [])
    variables = environment(stores) | {"ENERGY_HOME": str(stores.home), "ENERGY_ESTATE": str(tmp_path)}
    variables |= {"ENERGY_TIMESERIES": "postgres", "ENERGY_SPILL_ROWS": "10000", "ENERGY_BATCH_ROWS": "3000"}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(phase=phase)], env=variables, check=False, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-500:]
    assert_frame_equal(held(stores, tmp_path, code), old)

    report = load(stores, tmp_path)
    assert report.proved
    assert report.verdicts[0].rows == 30_000
    new = held(stores, tmp_path, code)
    assert new.height == 30_000
    assert set(new["currency"]) == {"EUR"}


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize("spill_rows", [1, 90, 1_000, 1_000_000])
def test_a_table_that_does_not_fit_into_memory_is_the_same_table(
    stores: Settings, tmp_path: Path, spill_rows: int, order: str
) -> None:
    first = invoices(0, 1_500)
    # far apart from what they repeat: duplicates, conflicts, refused rows
    repeated = [*invoices(0, 1_500)[::10], *invoices(5, 1_500, "EUR")[::10], "I000001,many,KRW,2025-06-01"]
    second = [*invoices(1_000, 2_000), *invoices(1_990, 2_010, "EUR")]
    if order == "shuffled":
        random.Random(3).shuffle(first)
        random.Random(4).shuffle(second)
    code = write_estate(tmp_path, first + repeated, second)
    settings = stores.model_copy(update={"spill_rows": spill_rows, "batch_rows": 70})
    report = load(settings, tmp_path, LoadOptions(max_error_ratio=1.0))
    assert report.proved
    new = held(settings, tmp_path, code)
    assert new["invoice_id"].to_list() == [f"I{number:06}" for number in range(2_010)]
    if order == "sorted":
        # which of two rows of a file stands is said by their order in it
        assert (new["currency"] == "EUR").arg_true().to_list() == list(range(2_000, 2_010))
        assert report.accounts == {
            "first.csv": Account(1_801, 1_500, 150, 151, 0, {"conflict": 150, "not_a_number": 1}),
            "second.csv": Account(1_020, 510, 500, 10, 0, {"conflict": 10}),
        }
    assert all(account.balanced for account in report.accounts.values())
    with open_platform(settings, read_estate(tmp_path)) as platform:
        with platform.postgres.connection() as connection:
            counts = quarantine.counts(connection, code)
            entry = next(iter(ledger.read(connection, code, ASSET)))
        assert counts["rows"].sum() == sum(account.quarantined for account in report.accounts.values())
        assert entry.rows == 2_010
        assert [f for f in verify(platform).findings if f.asset == ASSET] == []
        assert unaccounted(platform) == []
        with platform.postgres.connection() as connection:
            stranger = new.select(BILLING.column_names).head(1).with_columns(invoice_id=pl.lit("nobody's"))
            rows.write_rows(connection, BILLING, code, stranger)
        assert [(i.asset, i.points["invoice_id"].to_list()) for i in unaccounted(platform)] == [(ASSET, ["nobody's"])]
        assert [f.asset for f in verify(platform).findings if f.asset == ASSET] == [ASSET]
