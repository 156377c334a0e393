"""The graph of a circuit: which populations there are in each role, and what leads where."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from neuro_mpc.descriptions import graph
from neuro_mpc.descriptions.circuit_tables import BEFORE, INPUT, Population, Projection
from neuro_mpc.descriptions.formulas import formula
from neuro_mpc.errors import DescriptionError


class CircuitGraph:
    """What a circuit says of its graph, without sizes."""

    if TYPE_CHECKING:
        name: str
        population: dict[str, Population]
        projection: dict[str, Projection]

    @property
    def stimulus(self) -> str:
        """The name of the population that is given the stimulus: the first one; DescriptionError without any."""
        return self._first("stimulus")

    @property
    def target(self) -> str:
        """The name of the population whose prediction is compared with the target: the first one."""
        return self._first("target")

    @property
    def stimuli(self) -> tuple[str, ...]:
        """The names of all populations that are given a stimulus."""
        return self._of_role("stimulus")

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of all populations whose predictions are compared with a target."""
        return self._of_role("target")

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the populations that nothing in the circuit changes: stimuli and constants."""
        return (*self.stimuli, *self._of_role("constant"))

    @property
    def untied(self) -> tuple[str, ...]:
        """The names of the projections that have synapses of their own."""
        return tuple(name for name, projection in self.projection.items() if projection.tied is None)

    def tied_to(self, projection: str) -> tuple[str, ...]:
        """The projections that read the synapses of another one the other way round.

        Parameters
        ----------
        projection : str
            Name of a projection with synapses of its own.

        Returns
        -------
        tuple of str
            Names of the projections that are tied to it.
        """
        return tuple(name for name, each in self.projection.items() if each.tied == projection)

    @property
    def free(self) -> tuple[str, ...]:
        """The names of the free populations in the order of evaluation: senders without delay come first."""
        return tuple(name for name in graph.order(self.senders()) if self.population[name].role == "free")

    @property
    def components(self) -> tuple[tuple[str, ...], ...]:
        """The free populations in the order of evaluation, those that influence each other (at any delay) together."""
        free, receivers = self.free, self.receivers()
        reachable = {name: graph.reachable(receivers, name) for name in free}
        components: dict[str, tuple[str, ...]] = {}
        for name in free:
            component = tuple(
                other for other in free if other == name or (other in reachable[name] and name in reachable[other])
            )
            components.setdefault(component[0], component)
        senders = {
            first: [other for other in components if other != first and first in reachable[other]]
            for first in components
        }
        return tuple(components[first] for first in TopologicalSorter(senders).static_order())

    def is_recurrent(self, component: tuple[str, ...]) -> bool:
        """Whether the steps of a component depend on each other.

        Parameters
        ----------
        component : tuple of str
            One of `components`.

        Returns
        -------
        bool
            True where any projection leads from the component back to it, or a prediction names the belief before.
        """
        first, *others = component
        hears_itself = any(projection.source in component for projection in self.incoming(first).values())
        return bool(others) or hears_itself or self.remembers(first)

    def compartments(self, population: str) -> tuple[str, ...]:
        """The compartments of a free or a target population, in the order of the projections that end there.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        tuple of str
            Their names; ``input`` alone where nothing ends in the population.

        Examples
        --------
        >>> import neuro_mpc as nm
        >>> nm.load_circuit("mpl-gru").compartments("hidden")
        ('input', 'gate', 'reset', 'recurrent')
        """
        return tuple(dict.fromkeys(each.compartment for each in self.incoming(population).values())) or (INPUT,)

    def remembers(self, population: str) -> bool:
        """Whether the prediction of a population names its belief one step earlier.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        bool
            True where `prediction` contains ``before``.

        Examples
        --------
        >>> import neuro_mpc as nm
        >>> nm.load_circuit("mpl-gru").remembers("hidden"), nm.load_circuit("mpl").remembers("hidden")
        (True, False)
        """
        prediction = self.population[population].prediction
        if prediction is None:
            return False
        names = (*self.compartments(population), INPUT, BEFORE)
        return BEFORE in formula(prediction, names).names

    def senders(self) -> dict[str, list[str]]:
        """Each population with those that it has to wait for: its senders without delay.

        Returns
        -------
        dict of str to list of str
            Population → its senders.
        """
        senders: dict[str, list[str]] = {name: [] for name in self.population}
        for projection in self.projection.values():
            if projection.delay == 0:
                senders[projection.target].append(projection.source)
        return senders

    def receivers(self) -> dict[str, list[str]]:
        """Each population with those that it projects to, at any delay.

        Returns
        -------
        dict of str to list of str
            Population → its receivers.
        """
        receivers: dict[str, list[str]] = {name: [] for name in self.population}
        for projection in self.projection.values():
            receivers[projection.source].append(projection.target)
        return receivers

    def _of_role(self, role: str) -> tuple[str, ...]:
        return tuple(name for name, population in self.population.items() if population.role == role)

    def _first(self, role: str) -> str:
        names = self._of_role(role)
        if not names:
            raise DescriptionError(
                f"the circuit has no {role}", source=self.name, key="population", expected=f'role = "{role}" in one'
            )
        return names[0]

    def incoming(self, population: str) -> dict[str, Projection]:
        """The projections that end in a population.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        dict of str to Projection
            Name → projection.
        """
        return {name: projection for name, projection in self.projection.items() if projection.target == population}

    def outgoing(self, population: str) -> dict[str, Projection]:
        """The projections that start in a population.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        dict of str to Projection
            Name → projection.
        """
        return {name: projection for name, projection in self.projection.items() if projection.source == population}
