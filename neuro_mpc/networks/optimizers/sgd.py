"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from neuro_mpc.descriptions.learning import OPTIMIZERS, Learning
from neuro_mpc.networks.optimizers.interface import Optimizer


class SGDLearning(Learning):
    """Learning by plain gradient descent: beta1, beta2 and epsilon have no effect."""

    optimizer: Literal["sgd"] = "sgd"


@OPTIMIZERS.register("sgd")
class SGD(Optimizer):
    """θ ← θ − rate ∂F/∂θ"""

    table = SGDLearning

    def step(self, change: str, state: Mapping[str, str]) -> tuple[list[str], str]:
        return [], change
