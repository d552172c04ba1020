"""Replay: rows that a person has mended in an exported file come back, if they meet what every row must meet.

A mended row is judged as a load would judge it: by the same contract, and against all other rows of its days or table.
What is taken back is kept beside the file (`sources.mended`), and loaded and proven like everything that a source
holds. Nothing here writes to a target.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

import polars as pl

from energy_platform.domain import spreadsheets
from energy_platform.domain.contracts import REASONS
from energy_platform.domain.errors import UsageError
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.points import SERIES
from energy_platform.sources.mended import Content, content_identity, contents_of, row_identity, row_keys
from energy_platform.sources.opening import open_source
from energy_platform.sources.spec import SourceSpec
from energy_platform.stores.postgres import mended, quarantine
from energy_platform.stores.postgres.mended import MendedRow
from energy_platform.transfer.context import Platform
from energy_platform.transfer.options import DEFAULT_OPTIONS
from energy_platform.transfer.reading.mapping import (
    KEY,
    ORDER,
    REASON,
    SOURCE,
    MappingRules,
    dated,
    fixed_contract,
    map_batch,
)
from energy_platform.transfer.reading.mending import with_rows
from energy_platform.transfer.scanning.survey import source_versions
from energy_platform.transfer.tables.load import ExpectedTable
from energy_platform.transfer.timeseries.judged import judge_all
from energy_platform.transfer.timeseries.load import mapping_rules
from energy_platform.transfer.timeseries.staging import Staging

_SEPARATORS = ",;\t|"
_MOST_SERIES = 1 << 40


@dataclass(frozen=True, slots=True)
class MendedLine:
    """One line of an exported file.

    Attributes:
        line: its number in the file, the header being 1.
        source: by name.
        row_key: as the quarantine names the row.
        identity: of the content that was exported.
        cells: what stands in the columns of the source.
    """

    line: int
    source: str
    row_key: str
    identity: str
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that was not taken back.

    Attributes:
        line: its number in the file; 0 where no line is to blame alone.
        source: by name.
        row_key: of the row.
        reason: a reason code, or empty where the line itself is wrong.
        explanation: for people.
    """

    line: int
    source: str
    row_key: str
    reason: str
    explanation: str


@dataclass(slots=True)
class Replay:
    """What became of the lines of a file.

    Attributes:
        accepted: rows that are to be kept.
        lines: how many lines those come from.
        untouched: lines on which nothing was mended; their rows stay in the quarantine.
        already: lines that were taken back before.
        refused: the others.
    """

    accepted: list[MendedRow] = field(default_factory=list)
    lines: int = 0
    untouched: int = 0
    already: int = 0
    refused: list[RefusedLine] = field(default_factory=list)


@dataclass(slots=True)
class _Proposal:
    """A row of a source as its lines want it."""

    source: str
    key: str
    raw: Content
    current: Content
    mended: dict[str, str | None]
    changed: set[str] = field(default_factory=set)
    lines: list[MendedLine] = field(default_factory=list)

    @property
    def identity(self) -> str:
        return row_identity(self.key, self.raw)


def read_lines(path: Path) -> list[MendedLine]:
    """The lines of a mended file, whatever separator the spreadsheet has written.

    Raises:
        UsageError: the file cannot be read, or lacks the columns that `quarantine export` writes.
    """
    text = _text(path)
    # a text may hold the line ends that it came with
    header = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    # what is refused for its length must be readable here
    limit = csv.field_size_limit(sys.maxsize)
    try:
        names = next(rows, [])
        missing = {spreadsheets.SOURCE, spreadsheets.ROW, spreadsheets.IDENTITY} - set(names)
        if missing:
            raise UsageError(
                f"There is no column {', '.join(sorted(missing))}.",
                where=path.name,
                remedy="Mend a file that `energy-platform quarantine export` has written, and keep its columns.",
            )
        return list(_lines(names, rows, path.name))
    except csv.Error as error:
        raise UsageError(
            f"This is no CSV: {error}.", where=f"{path.name}, line {rows.line_num}", remedy="Save it as CSV again."
        ) from None
    finally:
        csv.field_size_limit(limit)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The file cannot be read: {error.strerror}.", where=str(path), remedy="Name the mended CSV file."
        ) from None
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise UsageError(
            "The file is not in UTF-8.", where=path.name, remedy="Save it as `CSV UTF-8` in the spreadsheet."
        ) from None


def _lines(names: Sequence[str], rows: Iterator[list[str]], file: str) -> Iterator[MendedLine]:
    number = 1
    for cells in rows:
        number += 1
        if not any(cells):
            continue
        if len(cells) > len(names):
            raise UsageError(
                f"The line has {len(cells)} cells, the header {len(names)}.",
                where=f"{file}, line {number}",
                remedy="Save it as CSV again.",
            )
        held = dict(zip(names, cells, strict=False))
        yield MendedLine(
            number,
            spreadsheets.unguarded(held.get(spreadsheets.SOURCE, "")),
            spreadsheets.unguarded(held.get(spreadsheets.ROW, "")),
            held.get(spreadsheets.IDENTITY, "").strip(),
            {spreadsheets.column_of(n): text for n, text in held.items() if not n.startswith(spreadsheets.OURS)},
        )


def propose(platform: Platform, lines: Sequence[MendedLine]) -> Replay:
    """Judge the lines of a mended file; see `Replay`. What is accepted is kept by `keep`."""
    result = Replay()
    specs = _specs(platform)
    with platform.postgres.connection() as connection:
        stored = {(row.source, row.identity): row for row in mended.read(connection, platform.estate.code)}
    by_source: dict[str, list[MendedLine]] = {}
    for line in lines:
        if line.source in specs:
            by_source.setdefault(line.source, []).append(line)
        else:
            result.refused.append(_refused(line, f"The estate has no source {line.source!r}."))
    proposals: list[_Proposal] = []
    for name, wanted in by_source.items():
        found = _found(platform, specs[name], wanted, result)
        proposals += _settled(found, result)
    by_target: dict[str, list[_Proposal]] = {}
    for proposal in proposals:
        for spec in specs[proposal.source]:
            by_target.setdefault(spec.target, []).append(proposal)
    # all together: what is mended in one source may be what another one misses
    rows = _rows(platform, proposals)
    further = {(row.source, row.identity): row for row in rows.values()}
    as_mended = replace(platform, estate=with_rows(platform.estate, {**stored, **further}.values()))
    complaints: dict[str, RefusedLine] = {}
    for target, part in by_target.items():
        judge = _judged_points if target in MEASUREMENTS else _judged_rows
        complaints |= judge(as_mended, target, part)
    for proposal in proposals:
        if complaint := complaints.get(proposal.identity):
            result.refused += [replace(complaint, line=line.line, row_key=line.row_key) for line in proposal.lines]
        else:
            result.accepted.append(rows[proposal.identity])
            result.lines += len(proposal.lines)
    result.refused.sort(key=lambda refused: refused.line)
    return result


def keep(platform: Platform, rows: Sequence[MendedRow], run_id: str = "") -> None:
    """Make accepted rows part of what their sources hold: the next load takes them in."""
    with platform.postgres.connection() as connection:
        mended.record(connection, [replace(row, run_id=run_id) for row in rows])


def withdraw(platform: Platform, lines: Sequence[MendedLine]) -> int:
    """Undo what was taken back from these lines; gives how many rows hold again what their file holds."""
    specs = _specs(platform)
    wanted: dict[tuple[str, str], set[str]] = {}
    for line in lines:
        for key in _possible_keys(line.row_key, specs.get(line.source, [])):
            wanted.setdefault((line.source, key), set()).add(line.identity)
    with platform.postgres.connection() as connection:
        doomed: dict[str, set[str]] = {}
        for row in mended.read(connection, platform.estate.code):
            names = {content_identity(row.raw), content_identity(row.mended)}
            if names & wanted.get((row.source, row.row_key), set()):
                doomed.setdefault(row.source, set()).add(row.identity)
        return sum(
            mended.withdraw(connection, platform.estate.code, source, identities)
            for source, identities in doomed.items()
        )


# -- what the lines speak of ------------------------------------------------------------------------------------------


def _specs(platform: Platform) -> dict[str, list[SourceSpec]]:
    """The sources by name: one file may feed several targets."""
    specs: dict[str, list[SourceSpec]] = {}
    for spec in platform.estate.sources:
        specs.setdefault(spec.name, []).append(spec)
    return specs


def _possible_keys(row_key: str, specs: Sequence[SourceSpec]) -> set[str]:
    """The keys that a row of the source may have which the quarantine names so.

    It names the cells of a wide source `key#column`, and further rows with one key `key#2`, `key#3`.
    """
    keys = {row_key}
    before, _, number = row_key.rpartition("#")
    if before and number.isdigit():
        keys.add(before)
    columns = {column for spec in specs if spec.shape == "wide" for column in spec.values}
    return keys | {key.removesuffix(f"#{column}") for key in keys for column in columns}


def _found(
    platform: Platform, specs: Sequence[SourceSpec], lines: Sequence[MendedLine], result: Replay
) -> list[_Proposal]:
    """What the lines make of the rows that the source holds."""
    by_key: dict[str, list[MendedLine]] = {}
    for line in lines:
        for key in _possible_keys(line.row_key, specs):
            by_key.setdefault(key, []).append(line)
    proposals: dict[str, _Proposal] = {}
    met: set[int] = set()
    untouched: set[int] = set()
    faults: dict[int, RefusedLine] = {}
    for spec in specs:
        for key, content in _rows_at(platform, spec, by_key):
            identity = row_identity(key, content)
            current = spec.mended.contents.get(identity, content) if spec.mended is not None else content
            bases = {content_identity(content): content, content_identity(current): current}
            for line in by_key[key]:
                base = bases.get(line.identity)
                if base is None:
                    continue
                met.add(line.line)
                proposal = proposals.setdefault(identity, _Proposal(spec.name, key, content, current, dict(base)))
                if line in proposal.lines:
                    continue
                changes = _changes(line, base)
                if fault := _fault(proposal, line, base, changes):
                    faults[line.line] = _refused(line, fault)
                elif changes:
                    proposal.mended.update(changes)
                    proposal.changed |= changes.keys()
                    proposal.lines.append(line)
                else:
                    untouched.add(line.line)
    result.untouched += len(untouched)
    result.refused += faults.values()
    result.refused += [
        _refused(line, "The source holds no such row any more: load it and export again.")
        for line in lines
        if line.line not in met
    ]
    return list(proposals.values())


def _rows_at(platform: Platform, spec: SourceSpec, keys: Collection[str]) -> Iterator[tuple[str, Content]]:
    """The rows of a source with one of these keys, as the file holds them."""
    wanted = pl.Series(sorted(keys), dtype=pl.String).implode()
    for raw in open_source(replace(spec, mended=None)).batches(platform.settings.batch_rows):
        hits = raw.filter(row_keys(raw).is_in(wanted))
        if hits.height:
            yield from zip(row_keys(hits), contents_of(hits), strict=True)


def _changes(line: MendedLine, base: Content) -> dict[str, str | None]:
    """What a line holds that was not exported so; an emptied cell is nothing."""
    return {
        name: spreadsheets.unguarded(cell) or None
        for name, cell in line.cells.items()
        if name in base and cell != spreadsheets.guarded(base[name] or "")
    }


def _fault(proposal: _Proposal, line: MendedLine, base: Content, changes: Content) -> str:
    """Why a line cannot be taken at its word; empty where it can."""
    strange = sorted(name for name, cell in line.cells.items() if cell and name not in base)
    if strange:
        return f"The source has no column {strange[0]!r}."
    for name, value in changes.items():
        if name in proposal.changed and proposal.mended[name] != value:
            return f"Another line mends the same row, and holds something else in {name!r}."
    return ""


def _settled(proposals: Sequence[_Proposal], result: Replay) -> list[_Proposal]:
    """The proposals that change something."""
    left: list[_Proposal] = []
    for proposal in proposals:
        if proposal.mended == proposal.raw:
            result.untouched += len(proposal.lines)
        elif proposal.mended == proposal.current:
            result.already += len(proposal.lines)
        else:
            left.append(proposal)
    return left


def _refused(line: MendedLine, explanation: str) -> RefusedLine:
    return RefusedLine(line.line, line.source, line.row_key, "", explanation)


# -- what a load would say --------------------------------------------------------------------------------------------


def _frame(proposals: Sequence[_Proposal]) -> pl.DataFrame:
    """The mended rows of one source as a reader would give them, numbered by `@order`."""
    names = list(dict.fromkeys(name for proposal in proposals for name in proposal.mended))
    return pl.DataFrame(
        [
            *(pl.Series(name, [p.mended.get(name) for p in proposals], dtype=pl.String) for name in names),
            pl.Series(KEY, [proposal.key for proposal in proposals], dtype=pl.String),
            pl.Series(ORDER, range(len(proposals)), dtype=pl.Int64),
        ]
    )


def _by_source(
    platform: Platform, proposals: Sequence[_Proposal], target: str = ""
) -> Iterator[tuple[SourceSpec, list[_Proposal]]]:
    for spec in platform.estate.sources_of(target) if target else platform.estate.sources:
        part = [proposal for proposal in proposals if proposal.source == spec.name]
        if part:
            yield spec, part


def _tenants(platform: Platform, proposals: Sequence[_Proposal]) -> dict[str, str]:
    """Whose row each is."""
    found = {proposal.identity: quarantine.UNASSIGNED for proposal in proposals}
    for spec, part in _by_source(platform, proposals):
        rules = MappingRules(platform.estate, fixed_contract(spec), platform.now)
        position = platform.estate.position_of(spec)
        for batch in map_batch(_frame(part), spec, position, rules):
            for tenant, number in batch.select("tenant_id", ORDER).iter_rows():
                if tenant and "\x00" not in tenant:
                    found[part[number].identity] = tenant
    return found


def _rows(platform: Platform, proposals: Sequence[_Proposal]) -> dict[str, MendedRow]:
    """The proposals as they are to be kept, by identity."""
    tenants = _tenants(platform, proposals)
    rows: dict[str, MendedRow] = {}
    for spec, part in _by_source(platform, proposals):
        keys = sorted({line.row_key for proposal in part for line in proposal.lines})
        with platform.postgres.connection() as connection:
            entries = quarantine.entries(connection, platform.estate.code, source=spec.name, keys=keys)
        known: dict[str, list[tuple[str, datetime]]] = {}
        for key, reason, first_seen in entries.select("row_key", "reason", "first_seen").iter_rows():
            known.setdefault(key, []).append((reason, first_seen))
        for proposal in part:
            told = [each for line in proposal.lines for each in known.get(line.row_key, [])]
            rows[proposal.identity] = MendedRow(
                tenant_id=tenants[proposal.identity],
                estate=platform.estate.code,
                source=proposal.source,
                row_key=proposal.key,
                identity=proposal.identity,
                raw=_storable(proposal.raw),
                mended=_storable(proposal.mended),
                reasons=", ".join(sorted({reason for reason, _ in told})),
                first_seen=min((first_seen for _, first_seen in told), default=None),
            )
    return rows


def _storable(content: Content) -> Content:
    """PostgreSQL keeps no U+0000; what is compared with it has none either."""
    return {name: value.replace("\x00", "\ufffd") if value is not None else None for name, value in content.items()}


def _open_keys(platform: Platform, spec: SourceSpec) -> set[str]:
    with platform.postgres.connection() as connection:
        entries = quarantine.entries(connection, platform.estate.code, source=spec.name)
    return set(entries.get_column("row_key"))


def _complaint(proposal: _Proposal, reason: str, explanation: str = "") -> RefusedLine:
    return RefusedLine(0, proposal.source, proposal.key, reason, explanation or REASONS.get(reason, ""))


class _Refusals:
    """Which proposals a load would refuse, and why.

    A wide row holds several readings: one that nobody has mended may stay refused, and takes none with it.
    """

    def __init__(self, platform: Platform, target: str, proposals: Sequence[_Proposal]) -> None:
        self.complaints: dict[str, RefusedLine] = {}
        self._proposals: dict[tuple[int, str], list[_Proposal]] = {}
        self._left_alone: dict[int, set[str]] = {}
        self.positions: dict[int, SourceSpec] = {}
        for spec, part in _by_source(platform, proposals, target):
            position = platform.estate.position_of(spec)
            self.positions[position] = spec
            for proposal in part:
                self._proposals.setdefault((position, proposal.key), []).append(proposal)
            if spec.shape == "wide":
                mended_here = {line.row_key for proposal in part for line in proposal.lines}
                self._left_alone[position] = _open_keys(platform, spec) - mended_here

    def of(self, position: int, key: str) -> list[_Proposal]:
        """The proposals for a row, or for the row that a cell belongs to."""
        spec = self.positions.get(position)
        keys = _possible_keys(key, [spec]) if spec is not None and spec.shape == "wide" else {key}
        return [proposal for each in keys for proposal in self._proposals.get((position, each), [])]

    def note(self, position: int, key: str, reason: str) -> None:
        """A load would refuse a row, or a cell of a wide one."""
        if key not in self._left_alone.get(position, set()):
            for proposal in self.of(position, key):
                self.complaints[proposal.identity] = _complaint(proposal, reason)


def _judged_points(platform: Platform, name: str, proposals: Sequence[_Proposal]) -> dict[str, RefusedLine]:
    """Judge the days that mended rows of a measurement fall on, as a load does."""
    refusals = _Refusals(platform, name, proposals)
    rules = mapping_rules(platform, name)
    days: set[date] = set()
    for spec, part in _by_source(platform, proposals, name):
        days |= set(dated(_frame(part), spec, rules).drop_nulls())
    specs = platform.estate.sources_of(name)
    present = source_versions(specs)
    settings = platform.settings
    with Staging(rules, days, settings.spill_rows, _MOST_SERIES) as staging:
        for spec in specs:
            if spec.name in present:
                staging.read(spec, platform.estate.position_of(spec), settings.batch_rows)
        for position, key, order, reason in staging.refused.select(SOURCE, KEY, ORDER, REASON).iter_rows():
            refusals.note(position, str(order) if key is None else key, reason)
        judged = judge_all(staging)
        if judged.conflicts.is_empty():
            return refusals.complaints
        conflicts = judged.conflicts.with_columns(pl.coalesce(KEY, pl.col(ORDER).cast(pl.String)).alias(KEY))
        for position, key in conflicts.select(SOURCE, KEY).iter_rows():
            refusals.note(position, key, "conflict")
        # nor may a mended row push out one that stands
        known = {spec.name: _open_keys(platform, spec) for spec in specs}
        names = {platform.estate.position_of(spec): spec.name for spec in specs}
        pushed = conflicts.filter(
            pl.Series(
                [
                    not refusals.of(position, key) and key not in known[names[position]]
                    for position, key in conflicts.select(SOURCE, KEY).iter_rows()
                ],
                dtype=pl.Boolean,
            )
        )
        for rows, _ in judged.chunks():
            winners = rows.join(pushed.select(SERIES, "time"), on=[SERIES, "time"], how="semi")
            for position, key, order in winners.select(SOURCE, KEY, ORDER).iter_rows():
                for proposal in refusals.of(position, str(order) if key is None else key):
                    refusals.complaints[proposal.identity] = _complaint(
                        proposal, "conflict", "A later row has the same identity with other content, and is loaded."
                    )
    return refusals.complaints


def _judged_rows(platform: Platform, name: str, proposals: Sequence[_Proposal]) -> dict[str, RefusedLine]:
    """Judge a table with its mended rows, as a load does."""
    refusals = _Refusals(platform, name, proposals)
    specs = platform.estate.sources_of(name)
    present = source_versions(specs)
    gone = {spec.name for spec in specs if spec.name not in present}
    names = {spec.name: platform.estate.position_of(spec) for spec in specs}
    known = {spec.name: _open_keys(platform, spec) for spec in specs}
    with ExpectedTable(platform, name, DEFAULT_OPTIONS, gone) as expected:
        pushed: list[str] = []
        for source, key, reason in expected.refused.select("source", "row_key", "reason").iter_rows():
            refusals.note(names[source], key, reason)
            if reason == "conflict" and not refusals.of(names[source], key) and key not in known[source]:
                pushed.append(f"row {key} of {source}")
    if pushed:
        # which one does it is not looked for: it is rare, and nothing is lost
        why = f"One of these lines has the identity of {_some(pushed)}, which is loaded, with other content."
        for proposal in proposals:
            refusals.complaints.setdefault(proposal.identity, _complaint(proposal, "conflict", why))
    return refusals.complaints


def _some(names: Collection[str]) -> str:
    first = list(names)[:3]
    return ", ".join(first) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
