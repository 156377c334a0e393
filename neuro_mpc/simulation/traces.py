"""The neural state of a circuit: output, errors and traces, read from a running program."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.program import Program
from neuro_mpc.networks.schemes.interface import scheme_of
from neuro_mpc.rules.splitting import SIGNS
from neuro_mpc.rules.variables import current_name
from neuro_mpc.runfile.labels import of_compartment

Traces = dict[str, dict[str, np.ndarray]]
OUTPUT, INPUT = ("prediction", "y"), ("prediction", "h")  # of a target population: what it says, and what it is told


class NeuralState:
    """Reads the neural state in which the last presentation left a circuit."""

    def __init__(self, program: Program, plan: Plan):
        self.program, self.plan = program, plan

    def output(self, target: str = "") -> np.ndarray:
        """What a target population says, by default the first: (step, trial, class)."""
        return self._rows(target or self.plan.circuit.target, *OUTPUT)

    def log_output(self, target: str = "") -> np.ndarray:
        """ln of the probabilities of a softmax read-out, (step, trial, class), also where rounding made them zero."""
        return _log_softmax(self._rows(target or self.plan.circuit.target, *INPUT).astype(float))

    def traces(self, populations: Collection[str] = ()) -> Traces:
        """Of these populations, or of all: population → variable → (step, trial, unit)."""
        traces = {}
        for name in self.plan.circuit.free:
            if not populations or name in populations:
                traces[name] = self._free_traces(name)
        for name in self.plan.circuit.targets:
            if not populations or name in populations:
                traces[name] = self._target_traces(name)
        return traces

    def largest_errors(self) -> dict[str, float]:
        """population → largest size of its errors; NaN where one of them is."""
        names = (*self.plan.circuit.free, *self.plan.circuit.targets)
        return {name: float(np.abs(self._rows(name, "error", "err")).max()) for name in names}

    def _free_traces(self, name: str) -> dict[str, np.ndarray]:
        rules = self.plan.rules.populations[name]
        traces = {
            "prediction": self._rows(name, "prediction", "h"),
            "error": self._rows(name, "error", "err"),
            "rate": self._rows(name, "belief", "f"),
        }
        # Where predictions are held only errors are inferred: they imply the belief h + e / Π.
        holds_predictions = scheme_of(self.plan).holds_predictions
        traces["belief"] = (
            traces["prediction"] + traces["error"] / rules.precision
            if holds_predictions
            else self._rows(name, "belief", "r")
        )
        return traces | self._compartments(name) | self._half_errors(name)

    def _compartments(self, name: str) -> dict[str, np.ndarray]:
        """The noise of every compartment, and its input where the prediction is not the input itself."""
        predicted, traces = self.plan.rules.populations[name].predicted, {}
        for compartment, each in predicted.compartments.items():
            if not predicted.is_input:
                traces[of_compartment("input", compartment)] = self._rows(name, "prediction", current_name(compartment))
            if each.varies:
                traces[of_compartment("noise", compartment)] = self._rows(name, "prediction", each.noise)
        return traces

    def _half_errors(self, name: str) -> dict[str, np.ndarray]:
        """The rates of the two populations that share the errors of one."""
        is_split = self.plan.circuit.population[name].split is not None
        return {f"{sign}_error": self._rows(name, f"{sign}_error", sign) for sign in SIGNS} if is_split else {}

    def _target_traces(self, name: str) -> dict[str, np.ndarray]:
        traces = {
            "prediction": self._rows(name, "prediction", "h"),
            "output": self.output(name),
            "error": self._rows(name, "error", "err"),
        }
        if self.plan.rules.readouts[name].receives_variance:
            traces["noise"] = self._rows(name, "prediction", "epsilon")
        return traces | self._half_errors(name)

    def _rows(self, population: str, kind: str, variable: str) -> np.ndarray:
        return self.program.get_rows(population, self._name(population, kind, variable))

    def _name(self, population: str, kind: str, variable: str) -> str:
        return f"{self.plan.group_name(population, kind)}_{variable}"


class AskedOutputs(NeuralState):
    """What target populations say in the presentation that was asked for last, which is waited for when it is read:
    others may follow before.

    logarithms   the populations whose `log_output` is read, too
    """

    def __init__(self, program: Program, plan: Plan, logarithms: Collection[str] = ()):
        super().__init__(program, plan)
        places = self._places(plan.circuit.targets, logarithms)
        self._asked = {each: program.ask_rows(each[0], self._name(*each)) for each in places}

    @classmethod
    def ahead(cls, program: Program, plan: Plan, logarithms: Collection[str], *others: str) -> int:
        """How many may wait to be read, with the answers of other variables of each presentation."""
        state = NeuralState(program, plan)
        names = (state._name(*each) for each in cls._places(plan.circuit.targets, logarithms))
        return program.answers_ahead(*names, *others)

    @staticmethod
    def _places(targets: Collection[str], logarithms: Collection[str]) -> list[tuple[str, str, str]]:
        return [(name, *OUTPUT) for name in targets] + [(name, *INPUT) for name in logarithms]

    def _rows(self, population: str, kind: str, variable: str) -> np.ndarray:
        return self._asked[population, kind, variable]()


def _log_softmax(values: np.ndarray) -> np.ndarray:
    """Along the last axis, as `scipy.special.log_softmax`, whose import takes a fifth of a second."""
    largest = values.max(axis=-1, keepdims=True)
    below = values - np.where(np.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore"):
        return below - np.log(np.exp(below).sum(axis=-1, keepdims=True))
