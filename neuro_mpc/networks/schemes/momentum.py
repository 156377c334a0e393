"""Momentum: relaxation in which beliefs keep some of their velocity, Polyak's heavy ball."""

from __future__ import annotations

from typing import ClassVar, Literal

from neuro_mpc.descriptions.inference import SCHEMES, Inference
from neuro_mpc.networks.schemes.relaxation import Relaxation
from neuro_mpc.rules.derivation import PopulationRules


class MomentumInference(Inference):
    """Relaxation whose beliefs keep `momentum` of their velocity from one iteration to the next."""

    scheme: Literal["momentum"] = "momentum"


@SCHEMES.register("momentum")
class Momentum(Relaxation):
    """v ← momentum v − ∂F/∂r, τ dr/dt = v: the beliefs of relaxation in fewer iterations."""

    table = MomentumInference
    scalars: ClassVar[tuple[str, ...]] = ("momentum",)
    keeps_trajectory: ClassVar[bool] = False  # an inference starts without velocity
    own_equations: ClassVar[tuple[str, ...]] = ("velocity : 1",)
    start: ClassVar[str] = "velocity = 0"

    def velocity(self, rules: PopulationRules) -> str:
        return "velocity"

    def acceleration(self, rules: PopulationRules) -> str:
        return f"velocity = momentum*velocity + {rules.downhill}"
