"""The equations of synapse types: the moments of a weight, and how the parameters of its distribution learn."""

from __future__ import annotations

import math

from neuro_mpc.descriptions.circuit_checks import bounds_text
from neuro_mpc.rules.derivation import ParameterRule, SynapseRules
from neuro_mpc.rules.symbols import Code, Section, Writer
from neuro_mpc.rules.variables import brian_name

SOME_PAIRS = "of some pairs of units"


class SynapseWriter(Writer):
    """Writes synapse types."""

    def synapses(self, type_name: str) -> Section:
        synapse = self.circuit.synapse[type_name]
        own = {key: self.rules.synapses[key] for key in self.circuit.untied}
        by_projection = {key: rules for key, rules in own.items() if rules.type_name == type_name}
        rules, names = next(iter(by_projection.values())), self._names(type_name)
        moments = [(self.n.mu, rules.mean), (self.n.v, rules.variance)]
        equations = [(letter, self.n.formula(moment.expression, names), "") for letter, moment in moments]
        equations += [equation for key in by_projection for equation in self._sums(key)]
        equations += [self._update(rule, names) for rule in rules.parameters]
        forms = {each.connects_some: each for each in by_projection.values()}
        meanings = {brian_name(name): (names[brian_name(name)], "") for name in synapse.parameter}
        return Section(
            f"Synapses {type_name}",
            synapse.description,
            tuple(equations),
            tuple(
                code for connects_some in sorted(forms) for code in self._synapse_code(forms[connects_some], meanings)
            ),
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
        for name, letter in zip(self.n.hebbian, "eq"):
            if letter == "e" or self.rules.synapses[key].varies:
                tied = [self._sum(each, letter) for each in self.circuit.tied_to(key)]
                yield self.n.moment(name, key), " + ".join([self._sum(key, letter), *tied]), ""

    def _sum(self, key: str, letter: str) -> str:
        """What a projection adds to a sum of its synapses; one that is tied, to those of another one."""
        n, projection = self.n, self.circuit.projection[key]
        rate, error = self._sent(projection, ""), self._error_of(projection, letter, projection.target)
        sent = rate if letter == "e" else f"({n.square(rate)})"
        post, pre = (sent, error) if projection.tied else (error, sent)
        return f"{n.sum} {post} {n.transpose(pre)}"

    def _update(self, rule: ParameterRule, names: dict[str, str]) -> tuple[str, str, str]:
        symbol, n = names[brian_name(rule.name)], self.n
        factor = "" if rule.rate_factor == 1 else f"{rule.rate_factor:g} "
        change = f"{factor}{n.learning_rate} {n.brackets(n.formula(rule.descent.expression, names))}"
        remark = "" if rule.low is None and rule.high is None else f"kept {bounds_text(rule.low, rule.high)}"
        return f"{n.change}{symbol}", change, remark


def _descent(rule: ParameterRule, synapses: SynapseRules) -> str:
    """One step of gradient descent in Brian2's language."""
    name = brian_name(rule.name)
    factor = "" if rule.rate_factor == 1 else f"{rule.rate_factor:g}*"
    moved = f"{name} + {factor}rate*({rule.descent.text})/trials"
    if rule.low is None and rule.high is None:
        return f"{name} = {synapses.where_connected(moved, name)}"
    low = -math.inf if rule.low is None else rule.low
    high = math.inf if rule.high is None else rule.high
    return f"{name} = {synapses.where_connected(f'bounded({moved}, {low:g}, {high:g})', name)}"
