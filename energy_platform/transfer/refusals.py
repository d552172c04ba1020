"""Refused rows on their way into the quarantine, with the content that their source holds."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from energy_platform.sources.estate import SourceSpec
from energy_platform.sources.opening import open_source
from energy_platform.transfer.mapping import DAY, KEY, RAW, REASON, SOURCE, UNASSIGNED

_CONFLICT = "conflict"
_READ_AGAIN_ROWS = 50_000


def quarantine_rows(refused: pl.DataFrame, positions: Mapping[int, SourceSpec]) -> pl.DataFrame:
    """Rows for the quarantine: tenant_id, source, row_key, reason, raw, and the local day.

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
        pl.col(KEY).fill_null("").alias("row_key"),
        pl.col(REASON).alias("reason"),
        pl.col(RAW).alias("raw"),
        pl.col(DAY),
    )


def _with_content(conflicts: pl.DataFrame, positions: Mapping[int, SourceSpec]) -> pl.DataFrame:
    contents = [pl.DataFrame(schema={SOURCE: pl.Int32, "@file_key": pl.String, RAW: pl.String})]
    # a point of a wide source is named after its row and its column
    conflicts = conflicts.with_columns(pl.col(KEY).str.split("#").list.first().alias("@file_key"))
    for (position,), part in conflicts.partition_by(SOURCE, as_dict=True).items():
        wanted = part.select("@file_key").unique()
        for batch in open_source(positions[int(str(position))]).batches(_READ_AGAIN_ROWS):
            found = batch.join(wanted, left_on=KEY, right_on="@file_key", how="semi")
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
