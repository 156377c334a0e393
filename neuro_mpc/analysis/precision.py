"""The precisions of prediction errors that a run has learned."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_mpc.errors import RunFileError, did_you_mean
from neuro_mpc.rules.weighting import LOG_PRECISION, OWNER
from neuro_mpc.runfile import access


def learned_precisions(run: xr.DataTree) -> list[str]:
    """The names of the populations whose precision was learned.

    Parameters
    ----------
    run : xarray.DataTree
        A run of a circuit with such populations.

    Returns
    -------
    list of str
        In the order of the circuit.

    Raises
    ------
    RunFileError
        No population of the circuit learns its precision.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.learned_precisions(nm.open_run("run.nc"))
    ['hidden']
    """
    node = access.group(run, OWNER.strip("/"))
    names = [] if node is None else [name for name, each in node.children.items() if LOG_PRECISION in each.data_vars]
    if not names:
        hint = 'precision = { learned = "population" } in a [population.NAME] of the circuit'
        raise RunFileError(f"no population of {access.source(run)} learned the precision of its errors", hint=hint)
    return names


def precision(run: xr.DataTree, population: str) -> xr.Dataset:
    """The precision Π of a population's prediction errors over learning, and the variance 1/Π that it stands for.

    Parameters
    ----------
    run : xarray.DataTree
        A run in which the precision of the population was learned.
    population : str
        Name of the population.

    Returns
    -------
    xarray.Dataset
        `precision` and `variance` (snapshot, unit), of one unit where all share a precision, with the coordinate
        `presentation` (snapshot).

    Raises
    ------
    RunFileError
        The population did not learn its precision.

    Notes
    -----
    Π approaches 1/⟨(r − h)²⟩, the inverse mean square of the deviations that it weighs (Bogacz, J. Math. Psychol. 76,
    198 (2017), Eq. 59 in its logarithm).

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.precision(nm.open_run("run.nc"), "hidden")["variance"].dims
    ('snapshot', 'unit')
    """
    names = learned_precisions(run)
    if population not in names:
        raise RunFileError(
            f"{population!r} of {access.source(run)} did not learn the precision of its errors",
            hint=did_you_mean(population, names) or ", ".join(names),
        )
    node = run[f"{OWNER}{population}"]
    found = np.exp(node[LOG_PRECISION].astype(float))
    labels = {"precision": "precision of the prediction errors", "variance": "variance that they are expected to have"}
    values = {"precision": found, "variance": 1 / found}
    return xr.Dataset(
        {name: value.assign_attrs(long_name=labels[name], units="1") for name, value in values.items()},
        coords={"presentation": node["presentation"]},
    )
