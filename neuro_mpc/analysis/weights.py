"""The distribution of every weight: its moments, and the spike and the slab that it is made of."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import sympy
import xarray as xr

from neuro_mpc.analysis import connections
from neuro_mpc.analysis.named import of_run
from neuro_mpc.descriptions.connections import CONNECTED
from neuro_mpc.descriptions.expressions import evaluate, parse
from neuro_mpc.errors import RunFileError, did_you_mean
from neuro_mpc.rules.slab import slab
from neuro_mpc.rules.spike import contradicted, contradiction
from neuro_mpc.rules.tidying import Bounds
from neuro_mpc.runfile import access

SETTING = "protocol.recording.synapses_every=100"
DIMENSIONS = ("snapshot", "post", "pre")
LABELS = {
    "mean": "mean of the weight",
    "variance": "variance of the weight",
    "coefficient_of_variation": "standard deviation of the weight over its absolute mean",
    "variability": "share of the variance in the second moment of the weight",
    "spike": "probability that the weight is zero",
    "slab_mean": "mean of the weight where it is not zero",
    "slab_variance": "variance of the weight where it is not zero",
}


def projections(run: xr.DataTree) -> list[str]:
    """The names of the projections whose synapses were recorded.

    Parameters
    ----------
    run : xarray.DataTree
        A run with snapshots of its synapses.

    Returns
    -------
    list of str
        In the order of the circuit.

    Raises
    ------
    RunFileError
        No snapshot was recorded.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> sorted(nm.analysis.projections(nm.open_run("run.nc")))
    ['input', 'output', 'recurrent']
    """
    group = access.group(run, "synapses")
    names = [] if group is None else [name for name, node in group.children.items() if node.sizes.get("snapshot")]
    if not names:
        raise access.lacking(run, "snapshot of the synapses", SETTING)
    return names


def weights(
    run: xr.DataTree, projection: str, *, snapshots: Sequence[int] | None = None, spike: str | None = None
) -> xr.Dataset:
    """The distribution of each weight of a projection, by its synapse type.

    Parameters
    ----------
    run : xarray.DataTree
        A run with snapshots of its synapses.
    projection : str
        Name of the projection.
    snapshots : sequence of int, optional
        Indices of the snapshots to take; None: all.
    spike : str, optional
        Expression of p in the parameters; None: that of the synapse type, 0 where it states none.

    Returns
    -------
    xarray.Dataset
        Values (snapshot, post, pre), float64, NaN where there is no synapse: `mean` μ and `variance` v, by the
        expressions of the synapse type in the run's circuit; `coefficient_of_variation` ``√v / |μ|``, infinite where
        only μ = 0; `variability` v / (μ² + v), the same between 0 and 1; `spike` p, `slab_mean` a and `slab_variance`
        b. The two ratios are 0 where v = 0. Where some pairs of units only are connected, the coordinate `connected`
        (post, pre) says which; a one-to-one projection is the diagonal of its matrix.

    Raises
    ------
    RunFileError
        The run has no such projection, or no snapshot of it.

    Warns
    -----
    UserWarning
        v is less than the spike alone makes, μ² p / (1 − p): no slab has these moments, and b is NaN there.

    Notes
    -----
    With probability p the weight is zero, else normal with mean a and variance b, which follow from the two moments::

        a = μ / (1 − p),    b = (v + μ²) / (1 − p) − a²

    Without a spike, p = 0, a = μ, b = v.

    References
    ----------
    Li, Qiu & Huang 2024, Phys. Rev. E 109, 044309, Eqs. 3 and 4.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> run = nm.open_run("run.nc")
    >>> dict(nm.analysis.weights(run, "recurrent", snapshots=[-1]).sizes)
    {'snapshot': 1, 'post': 10, 'pre': 10}
    """
    found = access.group(run, f"synapses/{projection}")
    if found is None or "/" in projection or not found.sizes.get("snapshot"):
        names = projections(run)
        if tied := access.projection(run, projection).get("tied"):
            raise RunFileError(
                f"the projection {projection!r} has no synapses of its own: it is tied to {tied!r}",
                hint=f"{tied}, the other way round: its post is the pre of {projection}",
            )
        hint = did_you_mean(projection, names) or f"one of {', '.join(names)}"
        raise RunFileError(f"there is no projection {projection!r}", hint=hint)
    node = found.to_dataset()
    node = node if snapshots is None else node.isel(snapshot=list(snapshots))
    table = synapse_type(run, projection)
    texts = (table["mean"], table.get("variance", "0"), spike or table.get("spike", "0"))
    values: dict[str, object] = {name: node[name].values.astype(float) for name in connections.parameters(node)}
    values["n"] = connections.fan_in(run, projection, node)
    shape = tuple(node.sizes[name] for name in DIMENSIONS)
    moments = distribution(texts, values, shape, _bounds(table))
    connected = connections.connected(run, projection, node)
    matrices = {name: connections.matrix(array, connected) for name, array in moments.items()}
    return _labelled(matrices, node, projection, connected)


of_weights = of_run(projections, weights)  # what takes (run, "recurrent") for the weights of a projection
of_mean_weights = of_run(projections, lambda run, name: weights(run, name)["mean"])  # or for their means


def synapse_type(run: xr.DataTree, projection: str) -> dict:
    """The table of the synapse type of a projection in the run's circuit."""
    circuit = access.describe(run, "circuit")
    try:
        return circuit["synapse"][circuit["projection"][projection]["synapse"]]
    except (KeyError, TypeError):
        source = access.source(run)
        raise RunFileError(f"the circuit in {source} has no synapse type for {projection!r}") from None


def varies(run: xr.DataTree, projection: str) -> bool:
    """Whether the weights of a projection have a variance by their synapse type, or are points."""
    table = synapse_type(run, projection)
    return bool(parse(table.get("variance", "0"), (*table.get("parameter", {}), "n")) != 0)


def distribution(
    texts: tuple[str, str, str],
    values: Mapping[str, object],
    shape: tuple[int, ...] = (),
    bounds: Mapping[str, Bounds] = MappingProxyType({}),
) -> dict[str, np.ndarray]:
    """The values of `LABELS` for the expressions of mean, variance and spike, and parameters by name.

    bounds   of the parameters

    Where the variance is too small for the spike, there is no variance of the slab: it is NaN, with a warning.
    """
    formulas = _formulas(texts, tuple(sorted(values)), tuple(sorted(bounds.items())))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, variance, spike, slab_mean, slab_variance = (
            np.broadcast_to(evaluate(formula, values), shape) for formula in formulas
        )
        impossible = contradicted(mean, variance, spike)
        # Rounding may leave a variance that is zero a little below it.
        variance, slab_variance = np.maximum(variance, 0), np.maximum(slab_variance, 0)
        slab_variance = np.where(impossible, np.nan, slab_variance)
        variation = np.where(variance > 0, np.sqrt(variance) / np.abs(mean), 0.0)
        share = np.where(variance > 0, variance / (mean**2 + variance), 0.0)
    if impossible.any():
        warnings.warn(
            contradiction(impossible.sum() / (~np.isnan(mean)).sum()) + "; their slab has no variance (NaN)",
            stacklevel=3,
        )
    results = (mean, variance, variation, share, spike, slab_mean, slab_variance)
    return dict(zip(LABELS, results, strict=True))


@lru_cache(maxsize=64)
def _formulas(
    texts: tuple[str, str, str], names: tuple[str, ...], bounds: tuple[tuple[str, Bounds], ...]
) -> tuple[sympy.Expr, ...]:
    """Mean, variance, spike, and mean and variance of the slab."""
    mean, variance, spike = (parse(text, names) for text in texts)
    return mean, variance, spike, *slab(mean, variance, spike, dict(bounds))


def _bounds(table: Mapping[str, Mapping]) -> dict[str, Bounds]:
    """name → lowest and highest value of the parameters of a synapse type."""
    parameters = table.get("parameter", {})
    return {name: (parameter.get("low"), parameter.get("high")) for name, parameter in parameters.items()}


def _labelled(
    distribution: Mapping[str, np.ndarray], node: xr.Dataset, projection: str, connected: np.ndarray | None
) -> xr.Dataset:
    attributes = {name: {"long_name": LABELS[name], "units": "1"} for name in distribution}
    arrays = {name: (DIMENSIONS, values, attributes[name]) for name, values in distribution.items()}
    coordinates: dict[str, tuple] = {"presentation": ("snapshot", node["presentation"].values)}
    if connected is not None:
        coordinates[CONNECTED] = (DIMENSIONS[1:], connected, {"long_name": "whether there is a synapse"})
    return xr.Dataset(arrays, coords=coordinates, attrs={"projection": projection})
