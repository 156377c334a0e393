"""What a measurement of performance found, as a file that a program reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from neuro_mpc.system import files


@dataclass
class Results:
    """Seconds and ratios, by the part that measured them.

    peak    floating-point operations a second of one core in one large product
    times   part → implementation → {"processor": s, "wall": s}, medians of `repeats`
    ratios  part → "what/by what" → {"value": ratio, "target": such as "<=0.9", or "-"}
    """

    machine: str = ""
    repeats: int = 0
    date: str = ""
    peak: float = 0.0
    times: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    ratios: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)
    part: str = ""

    def begin(self, machine: str, repeats: int) -> None:
        self.machine, self.repeats = machine, repeats
        self.date = datetime.now(UTC).isoformat(timespec="seconds")

    def add_times(self, times: dict[str, dict[str, float]]) -> None:
        self.times.setdefault(self.part, {}).update(times)

    def add_ratio(self, part: str, name: str, value: float, target: str) -> None:
        self.ratios.setdefault(part, {})[name] = {"value": value, "target": target}

    def save(self, path: Path) -> None:
        """Write all that was found so far, in place of what the file held."""
        files.write(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


RESULTS = Results()
"""Of this process: one command measures once."""
