"""What the equations of a circuit are written with: its rules in a notation, and the symbols of its variables."""

from __future__ import annotations

import re
from dataclasses import dataclass

from neuro_mpc.descriptions.circuit_tables import INPUT, Projection
from neuro_mpc.descriptions.connections import CONNECTED
from neuro_mpc.descriptions.inference import SCHEMES
from neuro_mpc.rules.compartments import Slope
from neuro_mpc.rules.derivation import Rules
from neuro_mpc.rules.notation import Notation
from neuro_mpc.rules.precision import precision_rules
from neuro_mpc.rules.splitting import SIGNS


@dataclass(frozen=True)
class Code:
    """Lines of Brian2, each with the symbol of its variable and what it is in words."""

    title: str
    lines: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Section:
    """What is said of one population or synapse type; equations are (left side, right side, remark)."""

    title: str
    words: str
    equations: tuple[tuple[str, str, str], ...]
    code: tuple[Code, ...] = ()


class Writer:
    """Composes the symbols of a notation."""

    def __init__(self, rules: Rules, notation: Notation):
        self.rules, self.circuit, self.n = rules, rules.circuit, notation
        self.precisions = precision_rules(rules.circuit)
        schemes = [SCHEMES.get(name)() for name in SCHEMES.names()]
        self.schemes = sorted(schemes, key=lambda scheme: scheme.holds_predictions)

    def _precision(self, name: str) -> str:
        """The precision of a population's errors as text; "" where it is 1."""
        if name in self.precisions:
            return self.n.precision
        precision = self.circuit.precision_of(name)
        return "" if precision == 1 else f"{precision:g}"

    @staticmethod
    def _of(compartment: str) -> str:
        return "" if compartment == INPUT else compartment

    def _share(self, slope: Slope, later: int = 0, at: str = "") -> str:
        """The symbol of what is passed on of an error, of a population that is not the one at hand."""
        of = ", ".join(part for part in (at, "" if slope.is_one else slope.name) if part)
        return self.n.variable("e", later, of)

    def _sent(self, projection: Projection, to: str) -> str:
        """The stimulus or firing rate that arrives at a population."""
        if projection.source in self.circuit.given:
            of = projection.source if len(self.circuit.given) > 1 else ""
            return self.n.variable("x", -projection.delay, of)
        of = "" if projection.source == to else projection.source
        return f"f({self.n.variable('r', -projection.delay, of)})"

    def _moment(self, letter: str, key: str, transposed: bool = False) -> str:
        """A moment of the weights of a projection; one that is tied reads those of another the other way round."""
        tied = self.circuit.projection[key].tied
        return self.n.moment(letter, tied or key, transposed != bool(tied))

    def _error_of(self, projection: Projection, letter: str, of: str, later: int = 0) -> str:
        """The error, or that of the variance, which the synapses of a projection hear."""
        rules = self.rules.populations.get(projection.target)
        if rules is None:
            return self.n.variable(letter, later, of)
        if letter == "e":
            return self._share(rules.predicted.compartments[projection.compartment].slope, later, of)
        return self.n.variable(letter, later, ", ".join(filter(None, (of, self._of(projection.compartment)))))

    def _code(self, title: str, equations: str, **own: tuple[str, str]) -> Code:
        """Brian2 equations; `own` are the meanings of variables that mean something else elsewhere."""
        meanings, lines = {**self._meanings(), **own}, equations.splitlines()
        variables = [re.sub(r"^d(\w+)/dt$", r"\1", line.split()[0]) for line in lines]
        return Code(title, tuple((line, *meanings[name]) for line, name in zip(lines, variables)))

    def _meanings(self) -> dict[str, tuple[str, str]]:
        """Brian2 variable → (symbol, words)."""
        n = self.n
        f = f"f({n.variable('r')})"
        letters = {
            "r": ("r", "belief"),
            "err": ("e", "prediction error"),
            "q": ("q", "error of the variance"),
            "h": ("h", "prediction"),
            "G": ("G", "mean input"),
            "G_stimulus": ("G", "mean input from the stimulus"),
            "D": ("D", "its variance"),
            "D_stimulus": ("D", "its variance"),
            "epsilon": (n.noise, "noise, standard normal"),
            "A": ("A", "feedback of errors"),
            "V": ("V", "feedback of variance errors"),
            "y": ("y", "output"),
            "target": (n.words("target"), ""),
        }
        return {
            **{sign: (n.half("e", sign), f"{sign} error, a rate") for sign in SIGNS},
            **{name: (n.variable(letter), words) for name, (letter, words) in letters.items()},
            "f": (f, "firing rate"),
            "f_squared": (n.square(f), ""),
            "precision": (n.precision, "precision of errors"),
            "log_precision": (f"{n.log} {n.precision}", ""),
            "surprise": ("", ""),
            "H": ("", ""),
            "count": ("", ""),
            CONNECTED: ("c", "1 where there is a synapse, else 0"),
            "mu": (n.mu, "mean of a weight"),
            "v": (n.v, "variance of a weight"),
            "H1": (n.hebbian[0], "sum over steps and trials"),
            "H2": (n.hebbian[1], "sum over steps and trials"),
        }
