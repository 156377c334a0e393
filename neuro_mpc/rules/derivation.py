"""The local rules of a circuit, derived from its description with SymPy.

The free energy of a circuit (Li, Qiu & Huang 2024, Eq. 11) is a sum over populations of ½ Π |r − h|² and of the losses
of the read-outs, where each prediction is normal with the two moments that a synapse type states (Eqs. 5–8):

    h = G + √D ε,    G = Σ μ f(r_pre),    D = Σ v f(r_pre)²

or an expression in several such inputs (`neuro_mpc.rules.compartments`).

Π is the precision of a population's errors (Rao & Ballard 1999, Eq. 4); an error unit holds the weighted error
Π (r − h), which is what it sends and what synapses learn from.

Everything that a unit or a synapse has to do is a derivative of this energy (`neuro_mpc.rules.derivatives`); nothing
there is typed in by hand but the energy itself.  The result is printed in Brian2's equation language.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_tables import SplitErrors
from neuro_mpc.descriptions.connections import CONNECTED, Connect
from neuro_mpc.rules.compartments import Compartment, Prediction, prediction_of
from neuro_mpc.rules.splitting import SIGNS, felt
from neuro_mpc.rules.terms import Term
from neuro_mpc.rules.variables import brian_name
from neuro_mpc.rules.weighting import Precision, factor, learned_equations, links, precision_of


@dataclass(frozen=True)
class ParameterRule:
    """How one parameter θ of a synapse type learns."""

    name: str
    symbol: str
    low: float | None
    high: float | None
    rate_factor: float
    descent: Term
    """−∂F/∂θ in H1 = Σ err f and H2 = Σ q f², sums over steps and trials."""

    @property
    def variable(self) -> str:
        """Its Brian2 variable."""
        return brian_name(self.name)


@dataclass(frozen=True)
class SynapseRules:
    """A projection's synapses: the two moments of a weight, and how each parameter of its distribution learns."""

    projection: str
    type_name: str
    mean: Term
    variance: Term
    parameters: tuple[ParameterRule, ...]
    connects_some: bool
    """Whether some pairs of units only have a synapse; the weights of the others are zero."""

    @property
    def varies(self) -> bool:
        """Whether the weights have any variance."""
        return not self.variance.is_zero

    def equations(self) -> str:
        """The Brian2 equations of the synapses; one element per synapse, post × pre."""
        lines = [f"{brian_name(rule.name)} : 1" for rule in self.parameters]
        lines += [f"{CONNECTED} : 1"] if self.connects_some else []
        lines.append(f"mu = {self.where_connected(self.mean.text, '0.0')} : 1 (constant over dt)")
        lines.append("H1 : 1")
        if self.varies:
            lines += [f"v = {self.where_connected(self.variance.text, '0.0')} : 1 (constant over dt)", "H2 : 1"]
        return "\n".join(lines)

    def where_connected(self, value: str, otherwise: str) -> str:
        """Brian2 code of a value of synapses, and of what holds where there is none."""
        # No product with 0 or 1: values stay what they are to the last bit.
        return f"selected({CONNECTED}, {value}, {otherwise})" if self.connects_some else value


@dataclass(frozen=True)
class PopulationRules:
    """A free population: firing rate, its slope, and what its belief descends.

    Which of its variables move, and how, is for a scheme of inference to say: it completes the equations of the value
    and the error units.
    """

    population: str
    rate: Term
    slope: Term
    sends_variance: bool
    predicted: Prediction
    precision: Precision
    split: SplitErrors | None
    drive: Term
    """What the next populations' errors do to this belief, in A = Σ μᵀ err, V = Σ vᵀ q and M, what its own next error
    does to it."""

    @property
    def receives_variance(self) -> bool:
        """Whether the input of any compartment has a variance."""
        return any(each.varies for each in self.predicted.compartments.values())

    def belief(self, motion: str, *own: str) -> str:
        """Brian2 equations of the value units.

        motion   the equation of the belief `r`
        own      equations of what else a scheme keeps in value units
        """
        lines = [motion, f"f = {self.rate.text} : 1 (constant over dt)", *own]
        if self.sends_variance:
            lines += ["f_squared = f**2 : 1 (constant over dt)", "V : 1"]
        if self.predicted.before:
            lines.append("M : 1")
        return "\n".join([*lines, "A : 1"])

    def prediction(self) -> str:
        """Brian2 equations of the prediction units."""
        return self.predicted.equations()

    def felt(self, error: str, linked: Iterable[str], *own: str) -> str:
        """Brian2 equations of error units whose error is an expression of linked variables, signed or split; the
        parameters as in `error`."""
        definition, linked = (felt(self.split), SIGNS) if self.split else (error, linked)
        return self.error(f"err = {definition} : 1 (constant over dt)", linked, *own)

    def error(self, definition: str, linked: Iterable[str], *own: str) -> str:
        """Brian2 equations of the error units.

        definition   the equations of the error `err`
        linked       variables of the value and prediction units that they name
        own          equations of what else a scheme keeps in error units
        """
        shares = self.predicted.shares("err", "q").items()
        lines = [definition, *(f"{name} = {share} : 1 (constant over dt)" for name, share in shares)]
        lines += learned_equations(self.precision)
        names = [*linked, *self.predicted.share_names]
        return "\n".join([*lines, *own, *(f"{name} : 1 (linked)" for name in names)])

    def weighted(self, deviation: str) -> str:
        """The error of a deviation r − h, in Brian2's language: Π times it."""
        return f"{weight}*({deviation})" if (weight := factor(self.precision)) else deviation

    def deviation(self, error: str) -> str:
        """The deviation r − h of an error, in Brian2's language."""
        return f"{error}/{weight}" if (weight := factor(self.precision)) else error

    @property
    def weights(self) -> list[str]:
        """Variables of the error units that `weighted` names."""
        return links(self.precision)

    @property
    def feedback(self) -> str:
        """What the next populations' errors do to this belief, in Brian2's language."""
        return self.drive.text

    @property
    def feedback_names(self) -> list[str]:
        """Variables of the value units in `feedback`."""
        return self.drive.names

    @property
    def downhill(self) -> str:
        """−∂F/∂r in Brian2's language."""
        return f"-err + {self.feedback}"


@dataclass(frozen=True)
class ReadOutRules:
    """A population that is compared with a target."""

    population: str
    readout: str
    receives_variance: bool
    released: bool
    precision: Precision
    split: SplitErrors | None

    def prediction(self) -> str:
        """Brian2 equations of the output's prediction units; `y` is the softmax of `h` (or `h` itself)."""
        noise = ["D : 1", "epsilon : 1"] if self.receives_variance else []
        root = " + sqrt(D)*epsilon" if self.receives_variance else ""
        output = "y : 1" if self.readout == "softmax" else "y = h : 1 (constant over dt)"
        return "\n".join([f"h = G{root} : 1 (constant over dt)", output, "G : 1", *noise])

    def linked(self, missing: bool) -> list[str]:
        """Variables that `signed_error` names."""
        return ["target", "y", *(["given"] if missing else []), *links(self.precision)]

    def signed_error(self, missing: bool) -> str:
        """The error in Brian2's language; `given` is 0 where a target is `missing`, otherwise 1."""
        factors = [weight] if (weight := factor(self.precision)) else []
        factors += ["given"] if missing else []
        return "*".join([*factors, "(target - y)"]) if factors else "target - y"

    def error(self, missing: bool) -> str:
        """Brian2 equations of the output's error units."""
        error = felt(self.split) if self.split else self.signed_error(missing)
        lines = ["target : 1", f"err = {error} : 1 (constant over dt)", *learned_equations(self.precision, missing)]
        lines += [f"{name} : 1 (linked)" for name in (SIGNS if self.split else ("y",))]
        lines += ["given : 1"] if missing else []
        if self.receives_variance:
            factor = "epsilon" if self.released else "epsilon*inverse_sqrt(D)"
            lines += [f"q = err*{factor} : 1 (constant over dt)", "epsilon : 1 (linked)"]
            lines += [] if self.released else ["D : 1 (linked)"]
        return "\n".join(lines)


@dataclass(frozen=True)
class Rules:
    """All local rules of a circuit."""

    circuit: Circuit
    populations: dict[str, PopulationRules]
    readouts: dict[str, ReadOutRules]
    synapses: dict[str, SynapseRules]

    def compartment(self, projection: str) -> Compartment | None:
        """Where a projection ends; None in a target population."""
        table = self.circuit.projection[projection]
        rules = self.populations.get(table.target)
        return rules.predicted.compartments[table.compartment] if rules else None


def derive(circuit: Circuit, *, variance_feedback: str = "exact") -> Rules:
    """The rules of `circuit` under a form of the variance feedback.

    variance_feedback    "exact": q = err ε / √D, the gradient; "as-released": q = err ε, as in the code published
                         with Li, Qiu & Huang 2024
    """
    released = variance_feedback == "as-released"
    synapses = {name: _synapse_rules(circuit, name) for name in circuit.projection}
    varies = {name: rules.varies for name, rules in synapses.items()}
    populations = {name: _population_rules(circuit, name, varies, released) for name in circuit.free}
    readouts = {
        name: ReadOutRules(
            name,
            circuit.population[name].readout or "softmax",
            any(varies[key] for key in circuit.incoming(name)),
            released,
            precision_of(circuit, name),
            circuit.population[name].split,
        )
        for name in circuit.targets
    }
    return Rules(circuit, populations, readouts, synapses)


def _synapse_rules(circuit: Circuit, projection: str) -> SynapseRules:
    type_name = circuit.projection[projection].synapse
    synapse = circuit.synapse[type_name]
    moments, names = (synapse.mean, synapse.variance), tuple(synapse.parameter)
    mean, variance = (Term("moment", (each, names)) for each in moments)
    bounds = tuple((name, (parameter.low, parameter.high)) for name, parameter in synapse.parameter.items())
    parameters = tuple(
        ParameterRule(
            name,
            parameter.symbol or name,
            parameter.low,
            parameter.high,
            parameter.rate_factor,
            Term("descent", (*moments, bounds, name)),
        )
        for name, parameter in synapse.parameter.items()
    )
    connects_some = isinstance(circuit.projection[projection].connect, Connect)
    return SynapseRules(projection, type_name, mean, variance, parameters, connects_some)


def _population_rules(circuit: Circuit, name: str, varies: dict[str, bool], released: bool) -> PopulationRules:
    activation = circuit.population[name].activation or "r"
    sends = any(varies[key] for key in circuit.outgoing(name))
    prediction = prediction_of(circuit, name, varies, released)
    return PopulationRules(
        name,
        Term("rate", (activation,)),
        Term("slope", (activation,)),
        sends,
        prediction,
        precision_of(circuit, name),
        circuit.population[name].split,
        Term("drive", (activation, sends, prediction.before is not None)),
    )
