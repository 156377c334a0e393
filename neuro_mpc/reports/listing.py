"""The runs of a folder as a table."""

from __future__ import annotations

from collections.abc import Sequence

from neuro_mpc.reports.columns import columns, printable
from neuro_mpc.runfile.catalogue import Entry

HEAD = ("run", "circuit", "protocol", "seed", "backend", "presentations", "measure", "last", "best", "state")
LONGEST = 40


def as_text(entries: Sequence[Entry]) -> str:
    """A line for each run, and how many there are."""
    complete, unreadable = (sum(map(bool, flags)) for flags in zip(*((e.complete, e.trouble) for e in entries)))
    parts = [f"{len(entries)} run{'' if len(entries) == 1 else 's'}", f"{complete} complete"]
    if unreadable:
        parts.append(f"{unreadable} cannot be read")
    return "\n".join([*columns(HEAD, [_row(entry) for entry in entries]), ", ".join(parts)])


def _row(entry: Entry) -> list[str]:
    if entry.trouble:
        return [printable(entry.file), *(("",) * 8), printable(entry.trouble)]
    measured = entry.experiment or entry.measure.replace("_", " ")
    cells = [
        entry.circuit,
        entry.protocol,
        _text(entry.seed),
        entry.backend,
        _text(entry.presentations),
        measured,
        _text(entry.last),
        _text(entry.best),
        "complete" if entry.complete else "not complete",
    ]
    return [printable(entry.file), *(printable(cell)[:LONGEST] for cell in cells)]


def _text(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
