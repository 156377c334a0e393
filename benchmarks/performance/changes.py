"""Says in what two result files of `benchmarks/performance` differ.

    python benchmarks/performance/changes.py BEFORE.json NOW.json [--above 0.05]

Prints a line for every ratio, and one for the processor time of every implementation, that both files have: before,
now, and now relative to before. Lines whose relative change is above the limit end in "changed"; ends with 1 if a
ratio that met its target no longer does.
Times of two machines, or of a busy one, say little: compare ratios.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from results import Results


class Change(NamedTuple):
    """A value of both files."""

    name: str
    before: float
    now: float
    target: str = "-"

    @property
    def relative(self) -> float:
        return self.now / self.before if self.before else float("nan")

    @property
    def is_lost(self) -> bool:
        """Whether a target that was met is missed."""
        return meets(self.before, self.target) and not meets(self.now, self.target)

    def line(self, above: float) -> str:
        verdict = "target missed" if self.is_lost else "changed" if abs(self.relative - 1) > above else ""
        return f"{self.name:64} {self.before:10.4g} {self.now:10.4g} {self.relative:8.3f}  {verdict}".rstrip()


def meets(value: float, target: str) -> bool:
    """Whether a value keeps to a target, such as "<=0.9"; any does to "-"."""
    limit = float(target[2:]) if target != "-" else 0.0
    return target == "-" or (value <= limit if target.startswith("<=") else value >= limit)


def changes(before: Results, now: Results) -> Iterator[Change]:
    """All that both files have: ratios, then times."""
    for part, ratios in now.ratios.items():
        for name, found in ratios.items():
            if earlier := before.ratios.get(part, {}).get(name):
                yield Change(f"{part}: {name}", earlier["value"], found["value"], found["target"])
    for part, times in now.times.items():
        for name, found in times.items():
            if earlier := before.times.get(part, {}).get(name):
                yield Change(f"{part}: {name} (s)", earlier["processor"], found["processor"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("now", type=Path)
    parser.add_argument("--above", type=float, default=0.05, help="relative change that is told (0.05)")
    options = parser.parse_args()
    before, now = Results.read(options.before), Results.read(options.now)
    for title, each in (("before", before), ("now", now)):
        print(f"{title:7} {each.date}, medians of {each.repeats}, {each.machine}")
    found = list(changes(before, now))
    print("\n".join(each.line(options.above) for each in found) or "the files have nothing in common")
    return int(any(each.is_lost for each in found))


if __name__ == "__main__":
    sys.exit(main())
