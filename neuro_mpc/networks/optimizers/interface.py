"""What an optimiser says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from neuro_mpc.descriptions.learning import Learning


@dataclass(frozen=True)
class Optimizer(ABC):
    """How a parameter moves when its gradient is known: one subclass an optimiser, registered by its name in
    `[learning]`.

    A subclass that is a dataclass has as its fields keys of its table on which generated code depends.  Clipping,
    decay, bounds and the learning rate are the same for all and not its business.

    table   its form of `[learning]`: a subclass of `Learning` with its own keys and what it refuses
    state   names of what it remembers of every parameter, which checkpoints keep; at first 0
    """

    table: ClassVar[type[Learning]]
    state: ClassVar[tuple[str, ...]] = ()

    def scalars(self, presentation: int) -> dict[str, float]:
        """Numbers that `step` names, which change from one presentation, counted from 0, to the next."""
        return {}

    @abstractmethod
    def step(self, change: str, state: Mapping[str, str]) -> tuple[list[str], str]:
        """Brian2 code that brings the state up to date, and an expression of the step: the parameter moves by the
        learning rate times it.

        change   name of the variable that holds −∂F/∂θ, per trial
        state    name of a state → name of the variable that holds it
        """
