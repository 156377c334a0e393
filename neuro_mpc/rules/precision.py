"""How the precision of a population's prediction errors is learned: one for all of its units, or one for each.

With Π = exp λ the energy of an error e = Π (r − h) is ½ (e²/Π − log Π), so that

    −∂F/∂λ = ½ Σ (1 − e²/Π)

over all errors that share λ, of steps, trials and perhaps units: Π approaches 1/⟨(r − h)²⟩ (Bogacz 2017). λ moves by
the learning rate times the mean of the sum's terms: a rate that suits one population suits others, however large.
"""

from __future__ import annotations

from dataclasses import dataclass

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_tables import LearnedPrecision
from neuro_mpc.rules.derivation import ParameterRule
from neuro_mpc.rules.terms import Term
from neuro_mpc.rules.weighting import LOG_PRECISION, PRECISION


class PrecisionRule(ParameterRule):
    """How log Π learns."""

    @property
    def variable(self) -> str:
        return self.name


@dataclass(frozen=True)
class PrecisionRules:
    """The precision of a population's errors, and how it learns."""

    population: str
    table: LearnedPrecision

    @property
    def by_unit(self) -> bool:
        """Whether each unit has a precision of its own."""
        return self.table.learned == "unit"

    @property
    def parameters(self) -> tuple[ParameterRule, ...]:
        """log Π."""
        low, _, high = self.table.logarithms
        descent = Term("log_precision", ())
        return (PrecisionRule(LOG_PRECISION, r"\log\Pi", low, high, self.table.rate_factor, descent),)

    def equations(self) -> str:
        """Brian2 equations of the precisions, one element for each."""
        precision = f"{PRECISION} = exp({LOG_PRECISION}) : 1 (constant over dt)"
        return "\n".join([f"{LOG_PRECISION} : 1", precision, "H : 1", "count : 1"])

    def where_connected(self, value: str, otherwise: str) -> str:
        """Every precision is there."""
        return value


def precision_rules(circuit: Circuit) -> dict[str, PrecisionRules]:
    """Population → how the precision of its errors is learned, of those where it is."""
    tables = {name: population.learned_precision for name, population in circuit.population.items()}
    return {name: PrecisionRules(name, table) for name, table in tables.items() if table}
