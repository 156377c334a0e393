"""One thing that the package needs or can use, and whether it is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Literal

WIDE = 100


@dataclass(frozen=True)
class Finding:
    """What was looked for and found.

    state  "ok"; "absent": there is none, and something works without it; "failed": needed, and not as it has to be
    hint   how to get it, or to mend it
    """

    name: str
    state: Literal["ok", "absent", "failed"]
    found: str
    hint: str = ""


def as_text(findings: Sequence[Finding]) -> str:
    """A line for each finding, and what to try below it; at the end, whether everything needed is there."""
    width = max(len(each.name) for each in findings)
    lines = []
    for each in findings:
        told = [each.found, *([f"try: {each.hint}"] if each.hint else [])]
        first, *more = [line for part in told for text in part.splitlines() for line in wrap(text, WIDE)]
        lines.append(f"{each.state:6}  {each.name:{width}}  {first}")
        lines += [f"{'':{width + 10}}{line}" for line in more]
    failed = [each.name for each in findings if each.state == "failed"]
    verdict = f"to be mended: {', '.join(failed)}" if failed else "everything that is needed is there"
    return "\n".join([*lines, verdict])
