"""The equations of a circuit in either notation, section by section, each with its Brian2 code."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_checks import bounds_text
from neuro_mpc.descriptions.circuit_tables import BEFORE, INPUT, Projection
from neuro_mpc.descriptions.connections import CONNECTED
from neuro_mpc.descriptions.inference import SCHEMES
from neuro_mpc.rules.compartments import Prediction, Slope, current_name
from neuro_mpc.rules.derivation import ParameterRule, PopulationRules, SynapseRules, derive
from neuro_mpc.rules.notation import Notation
from neuro_mpc.rules.precision import precision_rules
from neuro_mpc.rules.printing import brian_name, text
from neuro_mpc.rules.splitting import SIGNS, halves

SOME_PAIRS = "of some pairs of units"


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


def sections(circuit: Circuit, notation: Notation) -> list[Section]:
    """The energy, the free populations in the order of evaluation, the read-out, the synapse types."""
    write = _Writer(circuit, notation)
    types = dict.fromkeys(rules.type_name for rules in write.rules.synapses.values())
    populations = [*map(write.population, circuit.free), *map(write.read_out, circuit.targets)]
    return [write.energy(), *populations, *map(write.synapses, types)]


class _Writer:
    """Composes the symbols of a notation."""

    def __init__(self, circuit: Circuit, notation: Notation):
        self.circuit, self.n = circuit, notation
        self.rules, self.precisions = derive(circuit), precision_rules(circuit)
        schemes = [SCHEMES.get(name)() for name in SCHEMES.names()]
        self.schemes = sorted(schemes, key=lambda scheme: scheme.holds_predictions)

    def energy(self) -> Section:
        squares = [self._half_square(name) for name in self.circuit.free]
        squares += [self._half_square(name) for name in self.circuit.targets if not self._is_softmax(name)]
        losses = [self._cross_entropy(name) for name in self.circuit.targets if self._is_softmax(name)]
        return Section("Free energy", "", (("F", "".join([" + ".join(squares), *losses]), ""),))

    def _is_softmax(self, target: str) -> bool:
        return self.rules.readouts[target].readout == "softmax"

    def _half_square(self, name: str) -> str:
        """½ Π |r − h|², in the weighted error e = Π (r − h); where Π is learned, less ½ log Π of every error."""
        if name in self.precisions:
            return self.n.learned_energy(self.n.variable("e", of=name), self.n.moment(self.n.precision, name))
        square, precision = self.n.half_square(self.n.variable("e", of=name)), self._precision(name)
        return self.n.quotient(square, precision) if precision else square

    def _cross_entropy(self, name: str) -> str:
        n, precision = self.n, self._precision(name)
        symbol, output = n.variable(n.words("target"), of=name), n.variable("y", of=name)
        factor = f"{precision}{n.dot}" if precision else ""
        return f" {n.minus} {factor}{n.sum} {symbol}{n.dot}{n.log} {output}"

    def _precision(self, name: str) -> str:
        """The precision of a population's errors as text; "" where it is 1."""
        if name in self.precisions:
            return self.n.precision
        precision = self.circuit.precision_of(name)
        return "" if precision == 1 else f"{precision:g}"

    def _error(self, name: str, deviation: str) -> str:
        precision = self._precision(name)
        return f"{precision}{self.n.dot}({deviation})" if precision else deviation

    # --- populations -------------------------------------------------------------------------------------

    def population(self, name: str) -> Section:
        rules, n = self.rules.populations[name], self.n
        r, h = (n.variable(letter) for letter in "rh")
        equations = [
            ("f(r)", n.formula(rules.rate, {}), ""),
            (f"{n.slope}(r)", n.formula(rules.slope, {}), ""),
            *self._free_prediction(rules, h),
            *self._errors(name, f"{r} {n.minus} {h}"),
            *self._learned_precision(name),
            *self._shares(rules),
            *self._feedback(name, rules.sends_variance),
            *self._remembered(rules),
            *(law for scheme in self.schemes for law in scheme.laws(n, lambda belief: self._drive(belief, rules))),
        ]
        halves = [code for scheme in self.schemes for code in self._halves_of(scheme, rules)]
        codes = [*(code for scheme in self.schemes for code in scheme.code(rules)), *halves]
        codes += self._precision_code(name)
        words = f"{self.circuit.population[name].size} units"
        own = self._compartment_meanings(rules.predicted)
        return Section(f"Population {name}", words, tuple(equations), tuple(self._code(*code, **own) for code in codes))

    def read_out(self, name: str) -> Section:
        rules, n = self.rules.readouts[name], self.n
        u, y = (n.variable(letter) for letter in "uy")
        output = f"{n.words('softmax')}({u})" if rules.readout == "softmax" else u
        equations = [
            *self._prediction(rules.population, u, rules.receives_variance),
            (y, output, ""),
            *self._errors(name, f"{n.variable(n.words('target'))} {n.minus} {y}", "at the steps that are read out"),
            *self._learned_precision(name),
            *self._variance_error(rules.receives_variance),
        ]
        codes = [
            ("prediction units", rules.prediction()),
            *self._halves(name, rules.signed_error(missing=False), rules.linked(missing=False)),
            ("error units", rules.error(missing=False)),
            *self._precision_code(name),
        ]
        return Section(
            f"Population {rules.population}",
            "compared with the target",
            tuple(equations),
            tuple(self._code(*code, h=(u, "prediction")) for code in codes),
        )

    def _errors(self, name: str, deviation: str, remark: str = "") -> Iterator[tuple[str, str, str]]:
        """The error of a population; where two share it, their rates first."""
        n, split = self.n, self.circuit.population[name].split
        error = self._error(name, deviation)
        if split is None:
            yield n.variable("e"), error, remark
            return
        above = f"{split.baseline:g} + " if split.baseline else ""
        yield n.half("e", "positive"), n.rectified(f"{above}{error}"), remark
        below = f"{split.baseline:g} {n.minus} " if split.baseline else n.minus
        yield n.half("e", "negative"), n.rectified(f"{below}{n.brackets(error)}"), remark
        felt = [self._felt(getattr(split, sign), n.half("e", sign), split.baseline) for sign in SIGNS]
        yield n.variable("e"), f" {n.minus} ".join(felt), "what is sent and learned from"

    def _learned_precision(self, name: str) -> Iterator[tuple[str, str, str]]:
        """How the precision of a population's errors is learned."""
        if name not in self.precisions:
            return
        n, rules = self.n, self.precisions[name]
        low, _, high = (math.exp(value) for value in rules.table.logarithms)
        mean = f"1 {n.minus} {n.quotient(n.mean(n.square(n.variable('e'))), n.precision)}"
        factor = f"{rules.table.rate_factor / 2:g} {n.rate} "
        over = "over steps and trials" if rules.by_unit else "over steps, trials and units"
        remark = f"mean {over}; kept {bounds_text(low, high)}"
        yield f"{n.change}{n.log} {n.precision}", f"{factor}{n.brackets(mean)}", remark

    def _precision_code(self, name: str) -> list[tuple[str, str]]:
        rules = self.precisions.get(name)
        return [("precisions of errors", rules.equations())] if rules else []

    def _felt(self, gain: float, rate: str, baseline: float) -> str:
        above = f"({rate} {self.n.minus} {baseline:g})" if baseline else rate
        return above if gain == 1 else f"{gain:g} {above}"

    def _halves(self, name: str, error: str, linked: Sequence[str]) -> list[tuple[str, str]]:
        """Brian2 code of the two populations that share the errors of one."""
        split = self.circuit.population[name].split
        codes = halves(split, error, linked) if split else {}
        return [(f"{sign} error units", code) for sign, code in codes.items()]

    def _halves_of(self, scheme: Any, rules: PopulationRules) -> list[tuple[str, str]]:
        """The same of a free population, of a scheme that prints its own code."""
        if not (rules.split and scheme.split_errors and scheme.code(rules)):
            return []
        suffix = " under fixed prediction" if scheme.holds_predictions else ""
        error, linked = scheme.signed_error(rules)
        codes = self._halves(rules.population, error, [*linked, *rules.weights])
        return [(f"{title}{suffix}", code) for title, code in codes]

    def _free_prediction(self, rules: PopulationRules, prediction: str) -> Iterator[tuple[str, str, str]]:
        """The prediction of a free population: its input, or an expression in the inputs of its compartments."""
        predicted = rules.predicted
        if predicted.is_input:
            yield from self._prediction(rules.population, prediction, rules.receives_variance)
            return
        yield prediction, self.n.formula(predicted.value, self._symbols(predicted)), ""
        for name, compartment in predicted.compartments.items():
            current = self.n.variable("I", of=name)
            yield from self._prediction(rules.population, current, compartment.varies, name)

    def _symbols(self, predicted: Prediction) -> dict[str, str]:
        """Variables of a prediction → symbols."""
        currents = {current_name(name): self.n.variable("I", of=name) for name in predicted.compartments}
        return {**currents, BEFORE: self.n.variable("r", -1)}

    def _prediction(self, name: str, prediction: str, varies: bool, compartment: str = INPUT):
        """The input of a compartment, with its mean and variance."""
        n, mean, variance = self.n, [], []
        for key, projection in self.circuit.incoming(name).items():
            if projection.compartment != compartment:
                continue
            sent = self._sent(projection, name)
            mean.append(f"{n.moment(n.mu, key)} {sent}")
            if self.rules.synapses[key].varies:
                variance.append(f"{n.moment(n.v, key)} {n.square(sent)}")
        G, D, noise = (n.variable(letter, of=self._of(compartment)) for letter in ("G", "D", n.noise))
        yield prediction, G + (f" + {n.root(D)} {noise}" if varies else ""), ""
        yield G, " + ".join(mean) or "0", ""
        if varies:
            yield D, " + ".join(variance), ""

    @staticmethod
    def _of(compartment: str) -> str:
        return "" if compartment == INPUT else compartment

    def _variance_error(self, varies: bool, error: str = "", compartment: str = INPUT):
        n = self.n
        noise, D, q = (n.variable(letter, of=self._of(compartment)) for letter in (n.noise, "D", "q"))
        if varies:
            yield q, n.quotient(f"{error or n.variable('e')} {noise}", n.root(D)), "0 where D is 0"

    def _shares(self, rules: PopulationRules) -> Iterator[tuple[str, str, str]]:
        """What the synapses of every compartment, and the belief before, hear of an error."""
        predicted, n = rules.predicted, self.n
        for slope in predicted.slopes:
            if not slope.is_one:
                yield self._share(slope), f"{n.variable('e')}{n.times}{self._derivative(slope, predicted)}", ""
            if slope.name in predicted.compartments:
                varies = predicted.compartments[slope.name].varies
                yield from self._variance_error(varies, self._share(slope), slope.name)

    def _share(self, slope: Slope, later: int = 0, at: str = "") -> str:
        """The symbol of what is passed on of an error, of a population that is not the one at hand."""
        of = ", ".join(part for part in (at, "" if slope.is_one else slope.name) if part)
        return self.n.variable("e", later, of)

    def _derivative(self, slope: Slope, predicted: Prediction) -> str:
        formula = self.n.formula(slope.derivative, self._symbols(predicted))
        return self.n.brackets(formula) if slope.derivative.is_Add else formula

    def _remembered(self, rules: PopulationRules) -> Iterator[tuple[str, str, str]]:
        """What the next error says of a belief that its prediction remembers."""
        if rules.predicted.before:
            yield self.n.variable("M"), self._share(rules.predicted.before, 1), "0 at the last step"

    def _feedback(self, name: str, varies: bool):
        n = self.n
        sums = [("A", n.mu, "e"), ("V", n.v, "q")] if varies else [("A", n.mu, "e")]
        for total, moment, error in sums:
            terms = [
                f"{n.moment(moment, key, transposed=True)} {self._received(error, projection, name)}"
                for key, projection in self.circuit.outgoing(name).items()
                if error == "e" or self.rules.synapses[key].varies
            ]
            yield n.variable(total), " + ".join(terms), ""

    def _drive(self, belief: str, rules: PopulationRules) -> str:
        n, A, V = self.n, self.n.variable("A"), self.n.variable("V")
        inner = f"({A} + f({belief}){n.times}{V})" if rules.sends_variance else A
        own = f" + {n.variable('M')}" if rules.predicted.before else ""
        return f"{n.slope}({belief}){n.times}{inner}{own}"

    def _sent(self, projection: Projection, to: str) -> str:
        """The stimulus or firing rate that arrives at a population."""
        if projection.source in self.circuit.given:
            of = projection.source if len(self.circuit.given) > 1 else ""
            return self.n.variable("x", -projection.delay, of)
        of = "" if projection.source == to else projection.source
        return f"f({self.n.variable('r', -projection.delay, of)})"

    def _received(self, letter: str, projection: Projection, at: str) -> str:
        """The error that comes back to a population."""
        of = "" if projection.target == at else projection.target
        return self._error_of(projection, letter, of, projection.delay)

    def _error_of(self, projection: Projection, letter: str, of: str, later: int = 0) -> str:
        """The error, or that of the variance, which the synapses of a projection hear."""
        rules = self.rules.populations.get(projection.target)
        if rules is None:
            return self.n.variable(letter, later, of)
        if letter == "e":
            return self._share(rules.predicted.compartments[projection.compartment].slope, later, of)
        return self.n.variable(letter, later, ", ".join(filter(None, (of, self._of(projection.compartment)))))

    # --- synapses ----------------------------------------------------------------------------------------

    def synapses(self, type_name: str) -> Section:
        synapse = self.circuit.synapse[type_name]
        by_projection = {key: rules for key, rules in self.rules.synapses.items() if rules.type_name == type_name}
        rules, names = next(iter(by_projection.values())), self._names(type_name)
        moments = [(self.n.mu, rules.mean), (self.n.v, rules.variance)]
        equations = [(letter, self.n.formula(moment, names), "") for letter, moment in moments]
        equations += [equation for key in by_projection for equation in self._sums(key)]
        equations += [self._update(rule, names) for rule in rules.parameters]
        forms = {each.connects_some: each for each in by_projection.values()}
        own = {brian_name(name): (names[brian_name(name)], "") for name in synapse.parameter}
        return Section(
            f"Synapses {type_name}",
            synapse.description,
            tuple(equations),
            tuple(code for connects_some in sorted(forms) for code in self._synapse_code(forms[connects_some], own)),
        )

    def _synapse_code(self, rules: SynapseRules, own: dict[str, tuple[str, str]]) -> tuple[Code, Code]:
        """The equations and the learning of synapses that all pairs of units have, or some."""
        some = f" {SOME_PAIRS}" if rules.connects_some else ""
        learning = tuple((_descent(rule, rules), "", "") for rule in rules.parameters)
        return self._code(f"synapses{some}", rules.equations(), **own), Code(f"learning{some}", learning)

    def _names(self, type_name: str) -> dict[str, str]:
        """Variables of the rules of a synapse type → symbols."""
        parameters = self.circuit.synapse[type_name].parameter
        symbols = {brian_name(name): self.n.parameter(name, parameter.symbol) for name, parameter in parameters.items()}
        return {**symbols, "H1": self.n.hebbian[0], "H2": self.n.hebbian[1]}

    def _sums(self, key: str):
        n, projection = self.n, self.circuit.projection[key]
        sent = self._sent(projection, "")
        for name, letter, factor in zip(n.hebbian, "eq", (sent, f"({n.square(sent)})")):
            if letter == "e" or self.rules.synapses[key].varies:
                error = self._error_of(projection, letter, projection.target)
                yield n.moment(name, key), f"{n.sum} {error} {factor}{n.transposed}", ""

    def _update(self, rule: ParameterRule, names: dict[str, str]) -> tuple[str, str, str]:
        symbol, n = names[brian_name(rule.name)], self.n
        factor = "" if rule.rate_factor == 1 else f"{rule.rate_factor:g} "
        change = f"{factor}{n.learning_rate} {n.brackets(n.formula(rule.descent, names))}"
        remark = "" if rule.low is None and rule.high is None else f"kept {bounds_text(rule.low, rule.high)}"
        return f"{n.change}{symbol}", change, remark

    # --- Brian2 ------------------------------------------------------------------------------------------

    def _code(self, title: str, equations: str, **own: tuple[str, str]) -> Code:
        """Brian2 equations; `own` are the meanings of variables that mean something else elsewhere."""
        meanings, lines = {**self._meanings(), **own}, equations.splitlines()
        variables = [re.sub(r"^d(\w+)/dt$", r"\1", line.split()[0]) for line in lines]
        return Code(title, tuple((line, *meanings[name]) for line, name in zip(lines, variables)))

    def _compartment_meanings(self, predicted: Prediction) -> dict[str, tuple[str, str]]:
        """Variables of the compartments of a population → (symbol, words)."""
        n, meanings = self.n, {}
        shared = {"G": ("G", "mean input"), "D": ("D", "its variance"), "epsilon": (n.noise, "noise, standard normal")}
        shared["q"] = ("q", "error of the variance")
        for name, each in predicted.compartments.items():
            of = self._of(name)
            for variable, (letter, words) in shared.items():
                meanings[each.variable(variable)] = (n.variable(letter, of=of), words)
                meanings[each.variable(variable, given=True)] = (n.variable(letter, of=of), f"{words}, of the stimulus")
            meanings[current_name(name)] = (n.variable("I", of=name), "input")
        for slope in predicted.slopes:
            meanings[slope.share("err")] = (self._share(slope), "what is passed on of the error")
            meanings[slope.variable] = ("", "slope of the prediction")
        own = {"err": (n.variable("e"), "prediction error"), "M": (n.variable("M"), "feedback of its own next error")}
        default = {} if predicted.is_input else meanings
        return default | own | {BEFORE: (n.variable("r", -1), "the belief one step earlier")}

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


def _descent(rule: ParameterRule, synapses: SynapseRules) -> str:
    """One step of gradient descent in Brian2's language."""
    name = brian_name(rule.name)
    factor = "" if rule.rate_factor == 1 else f"{rule.rate_factor:g}*"
    moved = f"{name} + {factor}rate*({text(rule.descent)})/trials"
    if rule.low is None and rule.high is None:
        return f"{name} = {synapses.where_connected(moved, name)}"
    low = -math.inf if rule.low is None else rule.low
    high = math.inf if rule.high is None else rule.high
    return f"{name} = {synapses.where_connected(f'bounded({moved}, {low:g}, {high:g})', name)}"
