"""Lesion: performance while more and more units or synapses are silenced, in several orders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.experiments import EXPERIMENTS, OnTrials
from neuro_mpc.descriptions.tables import AtLeastOne, Listed, problem
from neuro_mpc.errors import DescriptionError, did_you_mean
from neuro_mpc.experiments.interface import Experiment
from neuro_mpc.experiments.performance import LABELS, measured
from neuro_mpc.randomness import generator
from neuro_mpc.simulation.connections import between, sums
from neuro_mpc.stimuli import Task

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.simulation.presentation import Presenter
    from neuro_mpc.simulation.trained import Trained

Moments = Mapping[str, tuple[np.ndarray, np.ndarray]]
Masks = Mapping[str, np.ndarray]
DIMENSIONS = ("order", "fraction", "repeat")

Fraction = Annotated[float, Field(ge=0, le=1)]
Order = Literal["random", "most-variable", "least-variable", "strongest", "weakest"]


def _different(values: tuple) -> tuple:
    if not values or len(set(values)) < len(values):
        raise problem("is empty or has an entry twice", expected="one or more different entries")
    return values


# Different entries, at least one.
DistinctFractions = Annotated[Listed[Fraction], AfterValidator(_different)]
DistinctOrders = Annotated[Listed[Order], AfterValidator(_different)]


class Silencing(OnTrials):
    """What all experiments share that silence a growing share of the units or synapses.

    of         what is silenced; a silenced unit loses all its synapses, in both directions
    fractions  shares of the units or synapses to silence
    orders     which go first. Variability is v / (μ² + v), the share of the variance in the squared weight, strength
               is μ² + v; those of a unit are sums over its synapses, in both directions
    repeats    number of random orders to draw
    where      populations (units) or projections (synapses) in which to silence; by default all
    """

    of: Literal["units", "synapses"] = "synapses"
    fractions: DistinctFractions = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    orders: DistinctOrders = ("random", "most-variable", "least-variable", "strongest", "weakest")
    repeats: AtLeastOne = 10
    where: Listed[str] = ()


class Lesion(Silencing):
    """A growing share of the units or synapses is silenced."""

    kind: Literal["lesion"] = "lesion"


@EXPERIMENTS.register("lesion")
class LesionExperiment(Experiment):
    """Performance while more and more units or synapses are silenced."""

    table = Lesion
    settings: Lesion

    def results(self, presenter: Presenter, data: Task, trained: Trained) -> xr.Dataset:
        """`performance`, `loss` and, of a language, `correct_letter_ratio`, each (order, fraction, repeat).

        Every lesion is tested on the same trials with the same noise. Only random orders are repeated: the others
        are missing but for the first. `silenced` (fraction,) is the number of units or synapses.

        Attributes: `of`, what the performance has `counted`, its `chance`, and `chance_loss`, that of an output
        which tells no class from another: ln K at every step at which one is asked for, ½ for a Gaussian read-out.
        """
        table = self.settings
        trials = table.shown(data.size(table.split))
        curves: dict[str, np.ndarray] = {}
        for position in silenced(presenter, table):
            for name, value in measured(presenter, data, table.split, trials).items():
                curves.setdefault(name, np.full(shape(table), np.nan))[position] = value
        circuit = presenter.plan.circuit
        number = candidates(table, circuit, existing(presenter))
        softmax = circuit.population[circuit.target].readout == "softmax"
        asked = data.asked(table.split, trials).sum(axis=0)
        chance_loss = asked.sum() / np.count_nonzero(asked) * (np.log(data.classes) if softmax else 0.5)
        return _labelled(curves, table, number, data, chance_loss)

    def problems(self, circuit: Circuit, data: Task) -> Iterator[DescriptionError]:
        return unknown_places(self.settings, circuit)


def silenced(presenter: Presenter, table: Silencing) -> Iterator[tuple[int, int, int]]:
    """Order, fraction and repeat (their positions) of every lesion, each with what it silences silenced."""
    circuit, there = presenter.plan.circuit, existing(presenter)
    moments = {name: presenter.moments(name) for name in circuit.untied}
    number = candidates(table, circuit, there)
    for order, repeat in _orders(table):
        ranked = _ranked(order, repeat, table, circuit, moments, there, presenter.seed)
        for index, fraction in enumerate(table.fractions):
            with presenter.silenced(_masks(ranked[: round(fraction * number)], table, circuit, there)):
                yield table.orders.index(order), index, repeat


def existing(presenter: Presenter) -> Masks:
    """Projection → which of its synapses exist."""
    return {name: presenter.existing(name) for name in presenter.plan.circuit.untied}


def unknown_places(table: Silencing, circuit: Circuit) -> Iterator[DescriptionError]:
    """What is wrong with the places in which to silence."""
    known = list(circuit.free if table.of == "units" else circuit.untied)
    kind = "free population" if table.of == "units" else "projection"
    for name in table.where:
        if name not in known:
            yield DescriptionError(
                f"there is no such {kind}",
                key="experiment.where",
                found=name,
                expected=", ".join(known),
                hint=did_you_mean(name, known),
            )
    if len(set(table.where)) < len(table.where):
        yield DescriptionError("has an entry twice", key="experiment.where", found=table.where)


def shape(table: Silencing) -> tuple[int, int, int]:
    return len(table.orders), len(table.fractions), table.repeats


def _orders(table: Silencing) -> Iterator[tuple[str, int]]:
    for order in table.orders:
        for repeat in range(table.repeats if order == "random" else 1):
            yield order, repeat


def _places(table: Silencing, circuit: Circuit) -> list[str]:
    return list(table.where) or list(circuit.free if table.of == "units" else circuit.untied)


def candidates(table: Silencing, circuit: Circuit, there: Masks) -> int:
    """Number of units or synapses that can be silenced."""
    if table.of == "units":
        return sum(circuit.size_of(name) for name in _places(table, circuit))
    return sum(int(there[name].sum()) for name in _places(table, circuit))


def _ranked(
    order: str, repeat: int, table: Silencing, circuit: Circuit, moments: Moments, there: Masks, seed: int
) -> np.ndarray:
    """The numbers of the candidates, the first to be silenced first; equal ones in random order."""
    names = _places(table, circuit)
    of_units = table.of == "units"
    parts = [
        _of_units(name, circuit, moments)
        if of_units
        else [values[there[name].ravel()] for values in _of_synapses(moments[name])]
        for name in names
    ]
    variance, power = (np.concatenate(values) for values in zip(*parts, strict=True))
    share = np.divide(variance, power, out=np.zeros_like(power), where=power > 0)
    chance = generator(seed, "lesion", order, str(repeat)).random(len(power))
    keys = {
        "random": chance,
        "most-variable": -share,
        "least-variable": share,
        "strongest": -power,
        "weakest": power,
    }
    return np.lexsort((chance, keys[order]))


def _of_synapses(moments: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Variance and second moment of every weight."""
    mean, variance = (moment.astype(float).ravel() for moment in moments)
    return variance, mean**2 + variance


def _of_units(population: str, circuit: Circuit, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Sums of variance and second moment over the synapses that every unit receives and sends."""
    variance, power = np.zeros((2, circuit.size_of(population)))
    for name, projection in circuit.projection.items():
        own = projection.tied or name
        both = [sums(circuit, own, part.reshape(circuit.shape(own))) for part in _of_synapses(moments[own])]
        ends = (projection.source, projection.target) if projection.tied else (projection.target, projection.source)
        for position, end in enumerate(ends):
            if end == population:
                variance += both[0][position]
                power += both[1][position]
    return variance, power


def _masks(silenced: np.ndarray, table: Silencing, circuit: Circuit, there: Masks) -> dict[str, np.ndarray]:
    """projection → which synapses, of the circuit's `shape`, are left without these candidates."""
    mask = np.zeros(candidates(table, circuit, there), bool)
    mask[silenced] = True
    names = _places(table, circuit)
    if table.of == "synapses":
        parts = np.split(mask, np.cumsum([there[name].sum() for name in names])[:-1])
        remaining = {name: there[name].copy() for name in names}
        for name, part in zip(names, parts, strict=True):
            remaining[name][there[name]] = ~part
        return remaining
    parts = np.split(mask, np.cumsum([circuit.size_of(name) for name in names])[:-1])
    remaining = {name: ~part for name, part in zip(names, parts, strict=True)}
    units = {name: remaining.get(name, np.ones(circuit.size_of(name), bool)) for name in circuit.population}
    return {name: _left_by(circuit, name, units) for name in circuit.untied}


def _left_by(circuit: Circuit, name: str, units: Masks) -> np.ndarray:
    """Which synapses of a projection have all their units: at their own ends, and at those of tied projections."""
    own = circuit.projection[name]
    left = between(circuit, name, units[own.target], units[own.source])
    for tied in (circuit.projection[each] for each in circuit.tied_to(name)):
        left = left & between(circuit, name, units[tied.source], units[tied.target])
    return left


def _labelled(
    curves: Mapping[str, np.ndarray], table: Silencing, number: int, data: Task, chance_loss: float
) -> xr.Dataset:
    import xarray as xr

    values: dict[str, tuple] = {
        name: (DIMENSIONS, curve, {"long_name": LABELS[name]}) for name, curve in curves.items()
    }
    silenced = [round(fraction * number) for fraction in table.fractions]
    values["silenced"] = ("fraction", silenced, {"long_name": f"number of {table.of} that are silenced"})
    coordinates = {
        "order": list(table.orders),
        "fraction": (
            "fraction",
            list(table.fractions),
            {"long_name": f"fraction of {table.of} that are silenced"},
        ),
        "repeat": np.arange(table.repeats),
    }
    chance = {"chance": data.chance, "chance_loss": float(chance_loss)}
    attributes = {"of": table.of, "counted": data.counted, **chance}
    return xr.Dataset(values, coordinates, attributes)
