"""What a population predicts, as an expression in its compartments and its belief one step earlier.

Projections end in a compartment k, whose input has a mean and a variance of its own, and noise of its own:

    I_k = G_k + √D_k ε_k

A prediction h(I_1, …, I_K, r_before) passes its error e on by its slopes: synapses of compartment k learn from and feed
back

    e_k = e ∂h/∂I_k,    q_k = e_k ε_k / √D_k

and the belief one step earlier hears e ∂h/∂r_before. By default there is a single compartment, `input`, with h = I:
its slope is 1, and e_k is e.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_tables import BEFORE, INPUT
from neuro_mpc.rules.terms import Term
from neuro_mpc.rules.variables import current_name


@dataclass(frozen=True)
class Slope:
    """How a prediction depends on one thing that it is made of, ∂h/∂(·)."""

    name: str
    derivative: Term

    @property
    def is_one(self) -> bool:
        """Whether errors are passed on as they are."""
        return self.derivative.is_one

    @property
    def is_stored(self) -> bool:
        """Whether prediction units store it: it is no number."""
        return not self.derivative.is_number

    @property
    def variable(self) -> str:
        return f"slope_{self.name}"

    @property
    def factor(self) -> str:
        """What an error is multiplied by, in Brian2's language."""
        return self.variable if self.is_stored else f"({self.derivative.text})"

    def share(self, error: str) -> str:
        """The variable of what is passed on of an error."""
        return error if self.is_one else f"{error}_to_{self.name}"


@dataclass(frozen=True)
class Compartment:
    """The input of a population by projections that end in one place.

    stimulus, circuit                  whether stimuli, and populations, send to it
    stimulus_varies, circuit_varies    whether what they send has a variance
    released                           the form of the variance feedback as released: q = e ε
    """

    name: str
    stimulus: bool
    circuit: bool
    stimulus_varies: bool
    circuit_varies: bool
    released: bool
    slope: Slope

    @property
    def varies(self) -> bool:
        """Whether its input has a variance."""
        return self.stimulus_varies or self.circuit_varies

    def variable(self, letter: str, given: bool = False) -> str:
        """A variable of the compartment, or the part of it that is `given` by stimuli."""
        compartment = "" if self.name == INPUT else f"_{self.name}"
        return f"{letter}{compartment}_stimulus" if given else f"{letter}{compartment}"

    def _terms(self, letter: str, stimulus: bool, circuit: bool) -> list[str]:
        parts = {self.variable(letter, given=True): stimulus, self.variable(letter): circuit}
        return [name for name, is_received in parts.items() if is_received]

    @property
    def means(self) -> list[str]:
        """Variables whose sum is the mean of the input."""
        return self._terms("G", self.stimulus, self.circuit)

    @property
    def variances(self) -> list[str]:
        """Variables whose sum is the variance of the input."""
        return self._terms("D", self.stimulus_varies, self.circuit_varies)

    @property
    def noise(self) -> str:
        return self.variable("epsilon")

    @property
    def current(self) -> str:
        """The input, in Brian2's language."""
        mean = " + ".join(self.means) or "0"
        return f"{mean} + sqrt({' + '.join(self.variances)})*{self.noise}" if self.varies else mean

    def parameters(self) -> list[str]:
        """Brian2 equations of what the input is made of."""
        noise = [self.noise] if self.varies else []
        return [f"{name} : 1" for name in (*self.means, *self.variances, *noise)]

    @property
    def noise_by_deviation(self) -> str:
        """What q is its error's multiple of."""
        return self.noise if self.released else f"{self.noise}*inverse_sqrt({' + '.join(self.variances)})"

    @property
    def noise_names(self) -> list[str]:
        """Variables in `noise_by_deviation`."""
        return [self.noise, *([] if self.released else self.variances)] if self.varies else []


@dataclass(frozen=True)
class Prediction:
    """The expression h of a free population.

    value         h, in the symbols of `current_name` and `before`
    compartments  name → compartment, in the order of its projections
    before        its dependence on the belief one step earlier; None where it does not name it
    """

    value: Term
    compartments: dict[str, Compartment]
    before: Slope | None

    @cached_property
    def is_input(self) -> bool:
        """Whether the prediction is the input itself."""
        return self.value.text == current_name(INPUT)

    @property
    def slopes(self) -> list[Slope]:
        before = [self.before] if self.before else []
        return [*(each.slope for each in self.compartments.values()), *before]

    def equations(self) -> str:
        """Brian2 equations of the prediction units."""
        parameters = [line for each in self.compartments.values() for line in each.parameters()]
        if self.is_input:
            (compartment,) = self.compartments.values()
            return "\n".join([f"h = {compartment.current} : 1 (constant over dt)", *parameters])
        stored = {current_name(name): each.current for name, each in self.compartments.items()}
        stored |= {"h": self.value.text}
        stored |= {slope.variable: slope.derivative.text for slope in self.slopes if slope.is_stored}
        lines = [f"{name} = {value} : 1 (constant over dt)" for name, value in stored.items()]
        return "\n".join([*lines, *parameters, *([f"{BEFORE} : 1"] if self.before else [])])

    def shares(self, error: str, variance_error: str) -> dict[str, str]:
        """What passes on of an error: variable → expression, in Brian2's language."""
        passed = {}
        for each in self.compartments.values():
            share = each.slope.share(error)
            if not each.slope.is_one:
                passed[share] = f"{error}*{each.slope.factor}"
            if each.varies:
                passed[each.variable(variance_error)] = f"{share}*{each.noise_by_deviation}"
        if self.before and not self.before.is_one:
            passed[self.before.share(error)] = f"{error}*{self.before.factor}"
        return passed

    @property
    def share_names(self) -> list[str]:
        """Variables of the prediction units in `shares`."""
        noises = [name for each in self.compartments.values() for name in each.noise_names]
        return [*noises, *(slope.variable for slope in self.slopes if slope.is_stored)]


def prediction_of(circuit: Circuit, name: str, varies: Mapping[str, bool], released: bool) -> Prediction:
    """The prediction of a free population.

    varies    projection → whether its weights have a variance
    """
    compartments = circuit.compartments(name)
    formula = circuit.population[name].prediction or INPUT, compartments

    def slope(part: str) -> Slope:
        return Slope(part, Term("passed_on", (*formula, part)))

    def compartment(each: str) -> Compartment:
        ends = {key: table for key, table in circuit.incoming(name).items() if table.compartment == each}
        stimulated = [key for key, table in ends.items() if table.source in circuit.given]
        recurrent = [key for key in ends if key not in stimulated]
        return Compartment(
            each,
            bool(stimulated),
            bool(recurrent),
            any(varies[key] for key in stimulated),
            any(varies[key] for key in recurrent),
            released,
            slope(each),
        )

    parts = {each: compartment(each) for each in compartments}
    return Prediction(Term("prediction", formula), parts, slope(BEFORE) if circuit.remembers(name) else None)
