"""The update of synaptic parameters as Brian2 code: gradient, optional clipping, SGD or Adam, bounds."""

from __future__ import annotations

from dataclasses import dataclass

from neuro_mpc.rules.derivation import ParameterRule, SynapseRules, brian_name, text

UNBOUNDED = 3e38


@dataclass(frozen=True)
class Plasticity:
    """How the synapses of one projection learn; `clipped` names parameters whose gradient is clipped in norm."""

    rules: SynapseRules
    trials: int
    optimizer: str
    beta1: float
    beta2: float
    epsilon: float
    decay: float
    clipped: tuple[str, ...]

    def equations(self) -> str:
        """Brian2 equations of the synapses with what the optimiser remembers."""
        lines = [self.rules.equations()]
        for rule in self.rules.parameters:
            name = brian_name(rule.name)
            lines += [f"first_{name} : 1", f"second_{name} : 1"] * (self.optimizer == "adam")
            lines += [f"change_{name} : 1"] * (rule.name in self.clipped)
        return "\n".join(lines)

    @property
    def clipped_names(self) -> tuple[str, ...]:
        return tuple(brian_name(rule.name) for rule in self.rules.parameters if rule.name in self.clipped)

    def descents(self, clipped: bool) -> list[str]:
        """change = −∂F/∂θ per trial, for the parameters that are (not) clipped."""
        return [
            f"change_{brian_name(rule.name)} = ({self._text(rule)})/{self.trials}.0"
            for rule in self.rules.parameters
            if (rule.name in self.clipped) == clipped
        ]

    def _text(self, rule: ParameterRule) -> str:
        return text(rule.descent) if rule.descent != 0 else "0.0*H1"

    def updates(self) -> list[str]:
        """One step of the optimiser, then the bounds, for all parameters."""
        return [line for rule in self.rules.parameters for line in self._update(rule)]

    def _update(self, rule: ParameterRule) -> list[str]:
        name = brian_name(rule.name)
        change, lines = f"change_{name}", []
        step = change
        if self.optimizer == "adam":
            lines += [
                f"first_{name} = {self.beta1}*first_{name} + {1 - self.beta1}*{change}",
                f"second_{name} = {self.beta2}*second_{name} + {1 - self.beta2}*{change}**2",
            ]
            step = f"(first_{name}*first_correction)/(sqrt(second_{name}*second_correction) + {self.epsilon})"
        # Decay is decoupled from the gradient (Loshchilov & Hutter 2019), as in the released code.
        step = f"({step} - {self.decay}*{name})" if self.decay else step
        factor = "" if rule.rate_factor == 1 else f"{rule.rate_factor}*"
        moved = f"{name} + {factor}rate*{step}"
        if rule.low is not None or rule.high is not None:
            low = -UNBOUNDED if rule.low is None else rule.low
            high = UNBOUNDED if rule.high is None else rule.high
            moved = f"bounded({moved}, {low}, {high})"
        return [*lines, f"{name} = {moved}"]
