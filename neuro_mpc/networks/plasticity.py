"""The update of parameters, of synapses or precisions, as Brian2 code: gradient, clipping, a step, bounds."""

from __future__ import annotations

from dataclasses import dataclass

from neuro_mpc.networks.optimizers.interface import Optimizer
from neuro_mpc.rules.derivation import ParameterRule, SynapseRules
from neuro_mpc.rules.precision import PrecisionRules

UNBOUNDED = 3e38


@dataclass(frozen=True)
class Plasticity:
    """How the synapses of one projection learn, or the precisions of one population.

    cases    the number by which sums are divided: trials, or errors
    clipped  names of parameters whose gradient is clipped in norm
    """

    rules: SynapseRules | PrecisionRules
    cases: int
    optimizer: Optimizer
    decay: float
    clipped: tuple[str, ...]

    def equations(self) -> str:
        """Brian2 equations with what the optimiser remembers."""
        lines = [self.rules.equations()]
        for rule in self.rules.parameters:
            lines += [f"{variable} : 1" for variable in state_names(self.optimizer, rule.variable).values()]
            if rule.name in self.clipped:
                lines.append(f"change_{rule.variable} : 1")
        return "\n".join(lines)

    @property
    def clipped_names(self) -> tuple[str, ...]:
        return tuple(rule.variable for rule in self.rules.parameters if rule.name in self.clipped)

    def descents(self, clipped: bool) -> list[str]:
        """change = −∂F/∂θ per case, for the parameters that are (not) clipped."""
        return [
            f"change_{rule.variable} = {self._change(rule)}"
            for rule in self.rules.parameters
            if (rule.name in self.clipped) == clipped
        ]

    def _change(self, rule: ParameterRule) -> str:
        change = f"({_descent(rule)})/{self.cases}.0"
        # What is clipped is the norm of the changes of the synapses that there are.
        return self.rules.where_connected(change, "0.0") if rule.name in self.clipped else change

    def updates(self) -> list[str]:
        """One step of the optimiser, then the bounds, for all parameters."""
        return [line for rule in self.rules.parameters for line in self._update(rule)]

    def _update(self, rule: ParameterRule) -> list[str]:
        name = rule.variable
        lines, step = self.optimizer.step(f"change_{name}", state_names(self.optimizer, name))
        # Decay is decoupled from the gradient (Loshchilov & Hutter 2019), as in the released code.
        step = f"({step} - {self.decay}*{name})" if self.decay else step
        factor = "" if rule.rate_factor == 1 else f"{rule.rate_factor}*"
        moved = _bounded(f"{name} + {factor}rate*{step}", rule)
        return [*lines, f"{name} = {self.rules.where_connected(moved, name)}"]


def state_names(optimizer: Optimizer, variable: str) -> dict[str, str]:
    """What an optimiser remembers of a parameter, given its variable → the variable that holds it."""
    return {state: f"{state}_{variable}" for state in optimizer.state}


def _descent(rule: ParameterRule) -> str:
    return "0.0*H1" if rule.descent.is_zero else rule.descent.text


def _bounded(moved: str, rule: ParameterRule) -> str:
    if rule.low is None and rule.high is None:
        return moved
    low = -UNBOUNDED if rule.low is None else rule.low
    high = UNBOUNDED if rule.high is None else rule.high
    return f"bounded({moved}, {low}, {high})"
