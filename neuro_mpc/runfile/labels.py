"""Long names of the variables of a run file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

LEARNING = {
    "free_energy": "free energy after inference, mean per trial",
    "free_energy_hidden": "part of the free energy in the errors of the free populations, mean per trial",
    "loss": "part of the free energy in the target populations, mean per trial",
    "free_energy_start": "free energy before inference, mean per trial",
    "iterations": "iterations of inference",
}
# The first one that a run has is shown.
MEASURES = ("correct_letter_ratio", "accuracy", "perplexity", "mean_squared_error", "explained_variance", "test_loss")
LOWER_IS_BETTER = ("perplexity", "mean_squared_error", "test_loss")
TESTS = {
    "test_loss": "loss of the prediction on the tested trials, mean per trial",
    "accuracy": "fraction of the tested trials that are predicted correctly",
    "correct_letter_ratio": "fraction of generated transitions that the language allows",
    "perplexity": "exponential of the mean cross-entropy per symbol",
    "mean_squared_error": "mean squared difference of the output from the values",
    "explained_variance": "share of the variance of the values that the output explains",
}
CIRCUITS = {
    "": ", with noise",
    "_mean_weights": ", every weight at its mean",
    "_network": ", by a network whose weights are drawn",
    "_ensemble": ", by the mean output of the networks",
    "_of_mean": ", by the mean of the training trials in place of the circuit",
    "_of_frequent": ", by the most frequent class in place of the circuit",
    "_of_frequencies": ", by the frequencies of the classes in place of the circuit",
    "_of_last": ", by the value one step earlier in place of the circuit",
    "_of_regression": ", by a linear regression from the last steps in place of the circuit",
}
BASELINE = "_of_"
SPIKE_CONTRADICTED = "spike_contradicted"
NEURAL = {
    "positive_error": "rate of the errors of what is more than predicted",
    "negative_error": "rate of the errors of what is less than predicted",
    "belief": "belief, the state of the value units",
    "prediction": "prediction of the belief",
    "error": "prediction error",
    "rate": "firing rate",
    "noise": "standard normal noise of the presentation",
    "output": "output of the read-out",
}


OF_COMPARTMENTS = {"input": "input of the compartment {}", "noise": "standard normal noise of the compartment {}"}


def of_compartment(variable: str, compartment: str) -> str:
    """The name of a variable of a compartment, `input` or `noise`; of the compartment `input`, that alone."""
    return variable if compartment == "input" else f"{variable}_{compartment}"


def compartments_of(variables: Iterable[object]) -> list[str]:
    """The compartments whose inputs are among the variables of a population."""
    found = (str(name).partition("_") for name in variables)
    return [compartment or variable for variable, _, compartment in found if variable == "input"]


def neural_label(name: str) -> str:
    """The long name of a variable of units."""
    variable, _, compartment = name.partition("_")
    if variable in OF_COMPARTMENTS and name not in NEURAL:
        return OF_COMPARTMENTS[variable].format(compartment or "input")
    return NEURAL.get(name, name.replace("_", " "))


class Measured(NamedTuple):
    """What a variable of tests and evaluations measures.

    measure     such as "mean_squared_error"; any other name as it is
    population  the target population, where it is not the first one
    of          what was measured, a key of CIRCUITS: "" the circuit with noise
    """

    measure: str
    population: str = ""
    of: str = ""

    @property
    def words(self) -> str:
        """Such as `mean squared error of velocity`."""
        words = self.measure.replace("_", " ")
        return f"{words} of {self.population}" if self.population else words


def measured(name: str) -> Measured:
    """The parts of the name of a measure: a population stands before what was measured, and after a baseline."""
    known = [test for test in TESTS if name == test or name.startswith(f"{test}_")]
    if not known:
        return Measured(name)
    measure = max(known, key=len)
    rest = name.removeprefix(measure)
    for of in filter(None, CIRCUITS):
        if rest.endswith(of):
            return Measured(measure, rest.removesuffix(of)[1:], of)
        if of.startswith(BASELINE) and rest.startswith(f"{of}_"):
            return Measured(measure, rest.removeprefix(f"{of}_"), of)
    return Measured(measure, rest[1:])


def test_label(name: str) -> str:
    """The long name of what a test measures."""
    what = measured(name)
    label = TESTS.get(what.measure, what.words)
    return f"{label}, of the population {what.population}" if what.population else label


def evaluation_label(name: str) -> str:
    """The long name of a variable of the evaluation: of its measure, and of the circuit that was measured."""
    if name == SPIKE_CONTRADICTED:
        return "fraction of the synapses whose spike alone varies more than their variance says"
    what = measured(name)
    return f"{test_label(name) if what.measure in TESTS else name}{CIRCUITS[what.of]}"
