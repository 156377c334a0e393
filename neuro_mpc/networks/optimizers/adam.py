"""Adam (Kingma & Ba 2015, Algorithm 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from neuro_mpc.descriptions.learning import OPTIMIZERS, Learning
from neuro_mpc.networks.optimizers.interface import Optimizer


class AdamLearning(Learning):
    """Learning by Adam: steps of about the learning rate, whatever the size of a gradient."""

    optimizer: Literal["adam"] = "adam"


@OPTIMIZERS.register("adam")
@dataclass(frozen=True)
class Adam(Optimizer):
    """θ ← θ + rate · first′ / (√second′ + epsilon), of the means `first` of −∂F/∂θ and `second` of its square.

    beta1, beta2   what the means keep of themselves from one presentation to the next
    epsilon        added to the root
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    table = AdamLearning
    state: ClassVar[tuple[str, ...]] = ("first", "second")

    def scalars(self, presentation: int) -> dict[str, float]:
        """What makes up for means that started at 0."""
        return {
            "first_correction": 1 / (1 - self.beta1 ** (presentation + 1)),
            "second_correction": 1 / (1 - self.beta2 ** (presentation + 1)),
        }

    def step(self, change: str, state: Mapping[str, str]) -> tuple[list[str], str]:
        first, second = state["first"], state["second"]
        means = [
            f"{first} = {self.beta1}*{first} + {1 - self.beta1}*{change}",
            f"{second} = {self.beta2}*{second} + {1 - self.beta2}*{change}**2",
        ]
        return means, f"({first}*first_correction)/(sqrt({second}*second_correction) + {self.epsilon})"
