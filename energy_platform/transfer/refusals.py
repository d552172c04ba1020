"""Refused rows on their way into the quarantine, with the content that their source holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from energy_platform.domain.points import SERIES
from energy_platform.sources.estate import SourceSpec
from energy_platform.sources.opening import open_source
from energy_platform.stores.postgres import quarantine
from energy_platform.transfer.reading.mapping import (
    DAY,
    KEY,
    ORDER,
    RAW,
    REASON,
    SOURCE,
    UNASSIGNED,
    MappingRules,
    map_batch,
    row_key,
)

_CONFLICT = "conflict"
_READ_AGAIN_ROWS = 50_000


def quarantine_rows(refused: pl.DataFrame, positions: Mapping[int, SourceSpec]) -> pl.DataFrame:
    """Rows for the quarantine: tenant_id, source, row_key, reason, raw, detail, and the local day.

    Args:
        refused: rows that a contract refused (with `@reason` and `@raw`), or conflicts (without either: their content
            is read again from the source, which is rare).
        positions: the sources by their position in the estate.
    """
    if RAW not in refused.columns:
        refused = _with_content(refused, positions).with_columns(pl.lit(_CONFLICT).alias(REASON))
    names = {position: spec.name for position, spec in positions.items()}
    tenant = pl.col("tenant_id")
    return refused.select(
        pl.when(tenant.is_null() | (tenant == "") | tenant.str.contains("\x00", literal=True))
        .then(pl.lit(UNASSIGNED))
        .otherwise(tenant)
        .alias("tenant_id"),
        pl.col(SOURCE).replace_strict(names, return_dtype=pl.String).alias("source"),
        row_key().fill_null("").alias("row_key"),
        pl.col(REASON).alias("reason"),
        pl.col(RAW).alias("raw"),
        pl.lit("").alias(quarantine.DETAIL),
        pl.col(DAY),
    )


def point_refusals(
    refused: pl.DataFrame,
    series: pl.DataFrame,
    specs: Mapping[int, SourceSpec],
    rules: MappingRules,
    reason: str,
) -> pl.DataFrame:
    """Staged points that were refused after mapping, as `quarantine_rows` gives them, and `detail` behind.

    Their content is read again from the sources, which is rare. Where several rows of a source have one identity and
    one place in its order, the later ones are meant.

    Args:
        refused: staged rows; a column `reason` holds the words of the store, where it was the store that refused.
        series: the tags of all series, by number.
        specs: the sources by their position in the estate.
        rules: by which they were mapped.
        reason: code of the reason.
    """
    identity = [*rules.contract.key, ORDER]
    named = series[refused.get_column(SERIES)].hstack(refused.drop(SERIES))
    if "reason" not in named.columns:
        named = named.with_columns(pl.lit("").alias("reason"))
    found = [pl.DataFrame(schema={**dict.fromkeys([*quarantine.COLUMNS, quarantine.DETAIL], pl.String), DAY: pl.Date})]
    for (position,), part in named.partition_by(SOURCE, as_dict=True).items():
        spec = specs[int(str(position))]
        wanted = part.group_by(identity).agg(pl.len().alias("@wanted"), pl.col("reason").first().alias("@detail"))
        mapped = pl.concat(
            [
                batch.join(wanted, on=identity, how="inner", nulls_equal=True, maintain_order="left")
                for raw in open_source(spec).batches(_READ_AGAIN_ROWS)
                for batch in map_batch(
                    raw.filter(pl.col(ORDER).is_in(part.get_column(ORDER).implode())),
                    spec,
                    int(str(position)),
                    replace(rules, with_content=True),
                )
            ]
        )
        # of rows that share even their place in the order the earlier ones are not meant
        last = mapped.filter(pl.int_range(pl.len()).reverse().over(identity) < pl.col("@wanted"))
        found.append(
            last.select(
                "tenant_id",
                pl.lit(spec.name).alias("source"),
                pl.col(KEY).alias("row_key"),
                pl.lit(reason).alias("reason"),
                pl.col(RAW).alias("raw"),
                pl.col("@detail").alias(quarantine.DETAIL),
                DAY,
            )
        )
    return pl.concat(found)


def _with_content(conflicts: pl.DataFrame, positions: Mapping[int, SourceSpec]) -> pl.DataFrame:
    contents = [pl.DataFrame(schema={SOURCE: pl.Int32, "@file_key": pl.String, RAW: pl.String})]
    # a point of a wide source is named after its row and its column
    conflicts = conflicts.with_columns(row_key().str.split("#").list.first().alias("@file_key"))
    for (position,), part in conflicts.partition_by(SOURCE, as_dict=True).items():
        wanted = part.select("@file_key").unique()
        for batch in open_source(positions[int(str(position))]).batches(_READ_AGAIN_ROWS):
            named = batch.with_columns(row_key().alias(KEY))
            found = named.join(wanted, left_on=KEY, right_on="@file_key", how="semi")
            plain = [name for name in batch.columns if not name.startswith("@")]
            contents.append(
                found.select(
                    pl.lit(int(str(position)), dtype=pl.Int32).alias(SOURCE),
                    pl.col(KEY).alias("@file_key"),
                    pl.struct(pl.col(plain).cast(pl.String)).struct.json_encode().alias(RAW),
                )
            )
    content = pl.concat(contents).unique([SOURCE, "@file_key"])
    return conflicts.join(content, on=[SOURCE, "@file_key"], how="left", maintain_order="left").drop("@file_key")
