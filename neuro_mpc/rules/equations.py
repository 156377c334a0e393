"""The equations of a circuit in either notation, section by section, each with its Brian2 code."""

from __future__ import annotations

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.rules.derivation import derive
from neuro_mpc.rules.notation import Notation
from neuro_mpc.rules.population_equations import PopulationWriter
from neuro_mpc.rules.symbols import Section, Writer
from neuro_mpc.rules.synapse_equations import SynapseWriter


def sections(circuit: Circuit, notation: Notation) -> list[Section]:
    """The energy, the free populations in the order of evaluation, the read-out, the synapse types."""
    rules = derive(circuit)
    of_populations, of_synapses = PopulationWriter(rules, notation), SynapseWriter(rules, notation)
    types = dict.fromkeys(each.type_name for each in rules.synapses.values())
    populations = [*map(of_populations.population, circuit.free), *map(of_populations.read_out, circuit.targets)]
    return [EnergyWriter(rules, notation).energy(), *populations, *map(of_synapses.synapses, types)]


class EnergyWriter(Writer):
    """Writes the free energy."""

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
