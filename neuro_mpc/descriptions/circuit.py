"""What a circuit is: populations, projections and synapse types, checked as a whole. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationInfo, model_validator

from neuro_mpc.descriptions import shipped
from neuro_mpc.descriptions.circuit_graph import CircuitGraph
from neuro_mpc.descriptions.circuit_tables import LearnedPrecision, Population, Projection, SynapseType
from neuro_mpc.descriptions.connections import Connect, grid_of, share_of
from neuro_mpc.descriptions.tables import Table
from neuro_mpc.errors import DescriptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Circuit(CircuitGraph, Table):
    """A graph of populations and projections, with all the synapse types that it uses.

    Parameters
    ----------
    name : str
        Name of the circuit, in run files and messages.
    description : str, optional
        One line, for ``neuro-mpc list``.
    population : dict of str to Population
        A table for each population, by its name.
    projection : dict of str to Projection
        A table for each projection, by its name.
    synapse : dict of str to SynapseType, optional
        A table for each synapse type, by its name; shipped types need none.

    Raises
    ------
    DescriptionError
        The tables do not make a circuit that can be run; all problems are listed.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> circuit = nm.Circuit(
    ...     name="chain",
    ...     population={"input": {"role": "stimulus"}, "hidden": {"size": 5}, "output": {"role": "target"}},
    ...     projection={
    ...         "input": {"from": "input", "to": "hidden", "synapse": "point"},
    ...         "output": {"from": "hidden", "to": "output", "synapse": "point"},
    ...     },
    ... )
    >>> circuit.free
    ('hidden',)
    >>> circuit.sized(26, 10).shape("output")
    (10, 5)
    """

    whole = True

    name: str
    description: str = ""
    population: dict[str, Population]
    projection: dict[str, Projection]
    synapse: dict[str, SynapseType] = {}

    @model_validator(mode="before")
    @classmethod
    def _with_shipped_synapses(cls, data: Any) -> Any:
        return with_shipped_synapses(data) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _whole(self, info: ValidationInfo) -> Self:
        from neuro_mpc.descriptions.circuit_checks import problems_of  # SymPy is slow to import

        source = (info.context or {}).get("source", "")
        if problems := problems_of(self):
            raise DescriptionError.collect(problems, source)
        return self

    def draw(self, ax: Axes | None = None, *, names: bool = True) -> Axes:
        """Draw the circuit with matplotlib: populations in layers, projections as arrows.

        The colour of an arrow is its synapse type; broken arrows have a delay, and inhibitory synapses end in a bar.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; None: a new figure of the size that the drawing needs.
        names : bool, default: True
            Whether projections are named.

        Returns
        -------
        matplotlib.axes.Axes
            The axes, in millimetres; ``circuit.draw().figure.savefig("circuit.pdf")`` saves them.

        Raises
        ------
        DescriptionError
            More than 100 populations or projections are too many for a drawing.

        Examples
        --------
        >>> import neuro_mpc as nm
        >>> axes = nm.load_circuit("mpl").draw()
        >>> axes.figure.savefig("circuit.svg")
        """
        # What draws stands above the descriptions, and is imported by those alone who draw.
        return import_module("neuro_mpc.plots.circuit").draw(self, ax, names)

    def _repr_html_(self) -> str:
        return import_module("neuro_mpc.reports.notebook").of_circuit(self)

    def precision_of(self, population: str) -> float:
        """The precision of the errors of a population.

        Parameters
        ----------
        population : str
            Name of a free or a target population.

        Returns
        -------
        float
            Π, the weight of ½ (r − h)² in the energy; where it is learned, what learning begins with.
        """
        precision = self.population[population].precision
        return precision.initial if isinstance(precision, LearnedPrecision) else precision or 1.0

    def sized(self, stimulus_width: int, target_width: int) -> Circuit:
        """The circuit with the sizes of its stimulus and its target, of which it has one each.

        Parameters
        ----------
        stimulus_width : int
            Units of the stimulus.
        target_width : int
            Units of the target.

        Returns
        -------
        Circuit
            A copy in which every population has a size.

        Raises
        ------
        DescriptionError
            The circuit states another size for one of them.

        Examples
        --------
        >>> import neuro_mpc as nm
        >>> nm.load_circuit("mpl").sized(26, 26).fan_in("input")
        26
        """
        return self.with_sizes({self.stimulus: stimulus_width, self.target: target_width})

    def with_sizes(self, widths: Mapping[str, int]) -> Circuit:
        """The circuit with the sizes of populations that the protocol determines.

        Parameters
        ----------
        widths : mapping of str to int
            Population → units.

        Returns
        -------
        Circuit
            A copy with these sizes.

        Raises
        ------
        DescriptionError
            The circuit states another size for one of them.

        Examples
        --------
        >>> import neuro_mpc as nm
        >>> nm.load_circuit("mpl").with_sizes({"input": 26, "output": 3}).shape("output")
        (3, 100)
        """
        tables = self.tables()
        for name, width in widths.items():
            size = self.population[name].size
            if size not in (None, width):
                raise DescriptionError(
                    "the size contradicts the protocol",
                    source=self.name,
                    found=size,
                    key=f"population.{name}.size",
                    expected=str(width),
                    hint="leave size out",
                )
            tables["population"][name]["size"] = width
        return Circuit.from_tables(tables, self.name)

    def shape(self, projection: str) -> tuple[int, int]:
        """The shape of the arrays of a projection's synapses.

        Parameters
        ----------
        projection : str
            Name of the projection; the circuit has to be `sized`.

        Returns
        -------
        tuple of int
            (n_post, n_pre); (n_post, 1) one-to-one, where each unit has a single synapse.

        Raises
        ------
        DescriptionError
            A size is not known yet.
        """
        table = self.projection[projection]
        post, pre = self.size_of(table.target), self.size_of(table.source)
        return (post, 1) if table.connect == "one-to-one" else (post, pre)

    def fan_in(self, projection: str) -> float:
        """The number n of synapses that a unit has of a projection.

        Parameters
        ----------
        projection : str
            Name of the projection; the circuit has to be `sized`.

        Returns
        -------
        int or float
            The fan-in n: the number of senders, 1 one-to-one; where some pairs only are connected, the mean over
            postsynaptic units (of random ones the expected one), and at least 1.

        Raises
        ------
        DescriptionError
            The size is not known yet.
        """
        table = self.projection[projection]
        _, senders = self.shape(projection)
        if not isinstance(table.connect, Connect):
            return senders
        post, pre = (grid_of(self.population[end]) for end in (table.target, table.source))
        return max(1.0, share_of(table.connect, post, pre) * senders)

    def size_of(self, population: str) -> int:
        """The number of units of a population.

        Parameters
        ----------
        population : str
            Name of the population.

        Returns
        -------
        int
            Its size.

        Raises
        ------
        DescriptionError
            The size is not known yet: the circuit is not `sized`.
        """
        size = self.population[population].size
        if size is None:
            raise DescriptionError(
                "the size is not known yet",
                source=self.name,
                key=f"population.{population}.size",
                hint="circuit.sized(stimulus_width, target_width)",
            )
        return size


def with_shipped_synapses(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a circuit with the shipped synapse types that it names and does not define itself."""
    projections, synapses = tables.get("projection"), tables.get("synapse", {})
    if not isinstance(projections, Mapping) or not isinstance(synapses, Mapping):
        return dict(tables)
    names = [_synapse_name(projection) for projection in projections.values()]
    shipped_types = {
        name: shipped.synapse_type(name) for name in names if isinstance(name, str) and name not in synapses
    }
    return {**tables, "synapse": {**synapses, **{name: table for name, table in shipped_types.items() if table}}}


def _synapse_name(projection: object) -> object:
    return projection.get("synapse") if isinstance(projection, Mapping) else getattr(projection, "synapse", None)
