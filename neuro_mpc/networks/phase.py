"""A phase of a presentation as data: operations in order, and the element-wise code that some of them execute."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from neuro_mpc.networks.operations import Block
from neuro_mpc.networks.rows import Rows, Tiling
from neuro_mpc.networks.sections import Section

WHOLE = Tiling(1, 1)
"""Synapses are not split by trials."""


@dataclass
class Phase:
    """One code object to be made, which runs when the scalar `condition` is set.

    blocks    name of a block of element-wise code → its parts, (group, code) each
    passing   (block, variable) pairs that are not stored, as nothing but the block's own later parts reads them
    """

    name: str
    condition: str
    sections: tuple[Section, ...] = ()
    tiling: Tiling = WHOLE
    parallel: bool = True
    blocks: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    passing: set[tuple[str, str]] = field(default_factory=set)

    def block(self, rows: Rows, group: str, *code: str) -> Block:
        """Register code of a group and return the operation that executes it.

        "update" stands for the stored subexpressions of the group's equations, "integrate" for an Euler step of its
        differential equations.
        """
        return self.joint_block(rows, *((group, each) for each in code))

    def joint_block(self, rows: Rows, *parts: tuple[str, str], passing: Iterable[str] = ()) -> Block:
        """The same for code of several groups of a population, executed in one pass; the variables `passing`, by their
        names in the phase, are not stored."""
        name = f"{parts[0][0]}_{len(self.blocks)}"
        self.blocks[name] = list(parts)
        self.passing.update((name, each) for each in passing)
        return Block(name, rows)

    def as_text(self) -> str:
        """All that code is generated from; equal phases have equal texts."""
        parts = (self.name, self.condition, self.sections, self.tiling, self.parallel)
        return f"{parts} {sorted(self.blocks.items())} {sorted(self.passing)}"
