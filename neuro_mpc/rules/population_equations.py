"""The equations of populations: what they predict, what their errors are, and how beliefs follow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from neuro_mpc.descriptions.circuit_checks import bounds_text
from neuro_mpc.descriptions.circuit_tables import BEFORE, INPUT, Projection
from neuro_mpc.rules.compartments import Prediction, Slope
from neuro_mpc.rules.derivation import PopulationRules
from neuro_mpc.rules.splitting import SIGNS, halves
from neuro_mpc.rules.symbols import Section, Writer
from neuro_mpc.rules.variables import current_name


class PopulationWriter(Writer):
    """Writes free populations and those that are compared with a target."""

    def _error(self, name: str, deviation: str) -> str:
        precision = self._precision(name)
        return f"{precision}{self.n.dot}({deviation})" if precision else deviation

    def population(self, name: str) -> Section:
        rules, n = self.rules.populations[name], self.n
        r, h = (n.variable(letter) for letter in "rh")
        equations = [
            ("f(r)", n.formula(rules.rate.expression, {}), ""),
            (f"{n.slope}(r)", n.formula(rules.slope.expression, {}), ""),
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
        own = self._compartment_meanings(name, rules.predicted)
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
        own = {"h": (u, "prediction"), **self._from_given(rules.population)}
        return Section(
            f"Population {rules.population}",
            "compared with the target",
            tuple(equations),
            tuple(self._code(*code, **own) for code in codes),
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
        yield prediction, self.n.formula(predicted.value.expression, self._symbols(predicted)), ""
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
            mean.append(f"{self._moment(n.mu, key)} {sent}")
            if self.rules.synapses[key].varies:
                variance.append(f"{self._moment(n.v, key)} {n.square(sent)}")
        G, D, noise = (n.variable(letter, of=self._of(compartment)) for letter in ("G", "D", n.noise))
        yield prediction, G + (f" + {n.root(D)} {noise}" if varies else ""), ""
        yield G, " + ".join(mean) or "0", ""
        if varies:
            yield D, " + ".join(variance), ""

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

    def _derivative(self, slope: Slope, predicted: Prediction) -> str:
        derivative = slope.derivative.expression
        formula = self.n.formula(derivative, self._symbols(predicted))
        return self.n.brackets(formula) if derivative.is_Add else formula

    def _remembered(self, rules: PopulationRules) -> Iterator[tuple[str, str, str]]:
        """What the next error says of a belief that its prediction remembers."""
        if rules.predicted.before:
            yield self.n.variable("M"), self._share(rules.predicted.before, 1), "0 at the last step"

    def _feedback(self, name: str, varies: bool):
        n = self.n
        sums = [("A", n.mu, "e"), ("V", n.v, "q")] if varies else [("A", n.mu, "e")]
        for total, moment, error in sums:
            terms = [
                f"{self._moment(moment, key, transposed=True)} {self._received(error, projection, name)}"
                for key, projection in self.circuit.outgoing(name).items()
                if error == "e" or self.rules.synapses[key].varies
            ]
            yield n.variable(total), " + ".join(terms), ""

    def _drive(self, belief: str, rules: PopulationRules) -> str:
        n, A, V = self.n, self.n.variable("A"), self.n.variable("V")
        inner = f"({A} + f({belief}){n.times}{V})" if rules.sends_variance else A
        own = f" + {n.variable('M')}" if rules.predicted.before else ""
        return f"{n.slope}({belief}){n.times}{inner}{own}"

    def _received(self, letter: str, projection: Projection, at: str) -> str:
        """The error that comes back to a population."""
        of = "" if projection.target == at else projection.target
        return self._error_of(projection, letter, of, projection.delay)

    def _given(self, population: str, compartment: str = INPUT) -> str:
        """What of the input of a compartment nothing in the circuit changes, in words."""
        ends = self.circuit.incoming(population).values()
        sources = {table.source for table in ends if table.compartment == compartment} & set(self.circuit.given)
        words = {
            "the stimulus": sources & set(self.circuit.stimuli),
            "constant units": sources - set(self.circuit.stimuli),
        }
        return " and ".join(each for each, names in words.items() if names)

    def _from_given(self, population: str) -> dict[str, tuple[str, str]]:
        """The meaning of the input that nothing in the circuit changes, where there is one compartment."""
        return {"G_stimulus": (self.n.variable("G"), f"mean input from {self._given(population)}")}

    def _compartment_meanings(self, population: str, predicted: Prediction) -> dict[str, tuple[str, str]]:
        """Variables of the compartments of a population → (symbol, words)."""
        n, meanings = self.n, {}
        shared = {"G": ("G", "mean input"), "D": ("D", "its variance"), "epsilon": (n.noise, "noise, standard normal")}
        shared["q"] = ("q", "error of the variance")
        for name, each in predicted.compartments.items():
            of, given = self._of(name), self._given(population, name)
            for variable, (letter, words) in shared.items():
                meanings[each.variable(variable)] = (n.variable(letter, of=of), words)
                meanings[each.variable(variable, given=True)] = (n.variable(letter, of=of), f"{words}, from {given}")
            meanings[current_name(name)] = (n.variable("I", of=name), "input")
        for slope in predicted.slopes:
            meanings[slope.share("err")] = (self._share(slope), "what is passed on of the error")
            meanings[slope.variable] = ("", "slope of the prediction")
        own = {"err": (n.variable("e"), "prediction error"), "M": (n.variable("M"), "feedback of its own next error")}
        default = self._from_given(population) if predicted.is_input else meanings
        return default | own | {BEFORE: (n.variable("r", -1), "the belief one step earlier")}
