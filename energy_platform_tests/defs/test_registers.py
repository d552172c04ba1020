"""Registers of meters in the graph: their corrections are an asset of their own, where an estate has registers."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from energy_platform.definitions import build_definitions
from energy_platform.settings import Settings
from energy_platform.sources.estate import read_estate
from energy_platform.transfer.assets import assets_of

ESTATE = """estate: metered
timezone: Asia/Seoul
first_day: 2024-01-01
energy:
  - {csv: power.csv, time: t, building: b, power_kw: p}
  - {csv: meters.csv, time: t, building: b, register: counter}
"""
CORRECTIONS = dg.AssetKey(["postgres", "register_corrections"])
ENERGY = dg.AssetKey(["timeseries", "energy_consumption"])
METERS = dg.AssetKey(["legacy", "meters_csv"])


def test_corrections_follow_from_the_source_of_registers(tmp_path: Path) -> None:
    (tmp_path / "estate.yaml").write_text(ESTATE, encoding="utf-8")
    definitions = build_definitions(Settings(_env_file=None, estate=tmp_path, home=tmp_path / "home"))  # pyright: ignore[reportCallIssue]
    dg.Definitions.validate_loadable(definitions)
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    deps = {dep.asset_key for dep in specs[CORRECTIONS].deps}
    assert deps == {METERS, dg.AssetKey(["postgres", "buildings"])}
    metadata = specs[CORRECTIONS].metadata
    assert metadata["dagster/table_name"] == "energy.register_corrections"
    graph = definitions.get_repository_def().asset_graph
    checks = {key.name for key in graph.get(CORRECTIONS).check_keys}
    assert "proof" in checks
    # what the register is, and that power follows from it
    schema = specs[ENERGY].metadata["dagster/column_schema"]
    assert "register_kwh" in [column.name for column in schema.columns]
    lineage = specs[ENERGY].metadata["dagster/column_lineage"].deps_by_column
    assert [(dep.asset_key, dep.column_name) for dep in lineage["register_kwh"]] == [(METERS, "counter")]
    assert (METERS, "counter") in [(dep.asset_key, dep.column_name) for dep in lineage["power_kw"]]
    # both say what there is: the graph, and the transfer, in an order that references allow
    names = assets_of(read_estate(tmp_path))
    assert {"/".join(key.path) for key in graph.materializable_asset_keys} >= set(names)
    assert names.index("postgres/register_corrections") > names.index("postgres/buildings")
    jobs = {job.name: job for job in definitions.get_repository_def().get_all_jobs()}
    assert CORRECTIONS in jobs["migrate"].asset_layer.executable_asset_keys


def test_an_estate_without_registers_has_no_such_table(tmp_path: Path) -> None:
    (tmp_path / "estate.yaml").write_text(ESTATE.replace("register: counter", "power_kw: p"), encoding="utf-8")
    assert "postgres/register_corrections" not in assets_of(read_estate(tmp_path))
    definitions = build_definitions(Settings(_env_file=None, estate=tmp_path, home=tmp_path / "home"))  # pyright: ignore[reportCallIssue]
    assert CORRECTIONS not in {spec.key for spec in definitions.resolve_all_asset_specs()}
