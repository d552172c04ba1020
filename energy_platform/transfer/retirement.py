"""Sources that are gone: their last proven figures stand, until others that are there hold what they held.

A file that was renamed, cut into several, joined with others or exported anew under another name is gone, and its rows
stand in other files now. Which rows it held nobody can look up any more; but where the target holds what the files that
are there account for, and nothing beyond, none of its rows stands for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from energy_platform.domain.summaries import Summary


def are_taken_over(
    gone: Summary, before: Mapping[str, Summary], present: Mapping[str, Summary], expected: Summary, found: Summary
) -> bool:
    """Whether sources that are there hold now what others held that are gone.

    That the target holds nothing beyond what is there would also be so where somebody had removed the others' rows: so
    what is there must have gained as many rows at least since they were proven together, over the same time.

    Args:
        gone: what the sources held that are gone.
        before: by source, what each held when all of it was judged last.
        present: by source, what those hold that are there.
        expected: what the target must hold because of them.
        found: what the target holds.
    """
    if not gone.rows or expected.differences(found):
        return False
    gained = {name: now for name, now in present.items() if now.rows > before.get(name, Summary()).rows}
    rows = sum(now.rows - before.get(name, Summary()).rows for name, now in gained.items())
    together = sum(gained.values(), Summary())
    if rows < gone.rows:
        return False
    return "time" not in gone.minima or (
        together.minima["time"] <= gone.minima["time"] and gone.maxima["time"] <= together.maxima["time"]
    )


def doubt(reason: str, gone: Collection[str]) -> str:
    """Why a partition is not proven to which sources belong that are gone; empty where it is proven."""
    if not reason or not gone:
        return reason
    names = ", ".join(sorted(gone)[:3]) + (f" and {len(gone) - 3} more" if len(gone) > 3 else "")
    return (
        f"{reason}; what is gone is counted as it was proven last ({names}): where other files hold a part of it now, "
        "put it back, or list it under `ignore:` in estate.yaml with a reason"
    )
