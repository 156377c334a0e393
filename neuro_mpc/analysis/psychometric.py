"""Psychometric curves of trained circuits, and the logistic functions that describe them."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.special import expit

from neuro_mpc.analysis.bootstrap import DRAWS, SEED
from neuro_mpc.analysis.experiments import Runs, curves_of, experiment, listed, refuse_different

STEEPEST = 50.0
"""Bound of both coefficients, of evidence in units of its root mean square: a step from 0 to 1 has no slope."""
FLATTEST = 1e-30
"""Slope of the likelihood that counts as none; that of a step is exp(−`STEEPEST`) at the bound."""


def psychometric_curves(runs: Runs, draws: int = DRAWS, seed: int = SEED) -> xr.Dataset:
    """Mean fraction of choices against the evidence, with 95 % intervals, for every lesion.

    Parameters
    ----------
    runs : xarray.DataTree or sequence of xarray.DataTree
        Of the experiment "psychometric". Of one run the intervals are over its random orders, of several over the runs
        (seeds).
    draws : int, optional
        Bootstrap samples.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `mean`, `low` and `high` (order, fraction, level); an order without repetitions has no interval.

    Raises
    ------
    RunFileError
        A run holds no such experiment, or the runs differ in it.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.psychometric_curves(nm.open_run("psychometric.nc"))["mean"].dims
    ('order', 'fraction', 'level')
    """
    return curves_of([experiment(run, "psychometric") for run in listed(runs)], "choices", draws, seed)


def psychometric_fit(runs: Runs, draws: int = DRAWS, seed: int = SEED) -> xr.Dataset:
    """Mean bias and sensitivity of the logistic functions that fit the choices, with 95 % intervals.

    Parameters
    ----------
    runs : xarray.DataTree or sequence of xarray.DataTree
        As for `psychometric_curves`.
    draws : int, optional
        Bootstrap samples.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `mean`, `low` and `high` (order, fraction, parameter); the parameters are "bias" (nats), the log odds of the
        choice without evidence, and "sensitivity" (nats per unit of evidence), by how much evidence changes them.

    Raises
    ------
    RunFileError
        A run holds no such experiment, or the runs differ in it.

    Notes
    -----
    Every curve is fitted by maximum likelihood, P(choice | x) = 1/(1 + exp(−bias − sensitivity x)), its points weighed
    by their numbers of trials; then the parameters are averaged. Half of the remaining distance to certainty is gained
    by ln 2 / sensitivity of evidence.

    References
    ----------
    Wichmann & Hill 2001, Perception & Psychophysics 63:1293, whose functions have lapses, too.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> fit = nm.analysis.psychometric_fit(nm.open_run("psychometric.nc"))
    >>> fit["mean"].sel(parameter="sensitivity", order="random", fraction=0).round(3).item()
    0.1
    """
    results = [experiment(run, "psychometric") for run in listed(runs)]
    refuse_different(results, "choices")
    return curves_of([_fitted(result) for result in results], "fitted", draws, seed)


def logistic(evidence: np.ndarray, choices: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """Bias and sensitivity of the logistic function of largest likelihood.

    evidence (level,); choices (level,) their fraction in the numbers of `trials` (level,).
    """
    from scipy.optimize import minimize  # takes half a second to import

    spread = float(np.sqrt(np.average(np.square(evidence), weights=trials))) or 1.0
    scaled, weights = evidence / spread, trials / trials.sum()

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        odds = coefficients[0] + coefficients[1] * scaled
        # Both answers by themselves: of steep curves nothing would be left of the difference of one and nearly one.
        lost = (1 - choices) * np.logaddexp(0, odds) + choices * np.logaddexp(0, -odds)
        error = weights * ((1 - choices) * expit(odds) - choices * expit(-odds))
        return weights @ lost, np.array([error.sum(), error @ scaled])

    bounds = [(-STEEPEST, STEEPEST)] * 2
    found = minimize(
        loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds, options={"gtol": FLATTEST, "ftol": 0}
    )
    return found.x / [1, spread]


def _fitted(result: xr.Dataset) -> xr.Dataset:
    """`fitted` (order, fraction, repeat, parameter) of all curves of one run; missing where there is no curve."""
    choices = result["choices"].transpose("order", "fraction", "repeat", "level")
    level, trials = result["level"].values.astype(float), result["trials"].values.astype(float)
    fitted = np.full((*choices.shape[:3], 2), np.nan)
    for place in np.ndindex(choices.shape[:3]):
        curve = choices.values[place].astype(float)
        if not np.isnan(curve).any():
            fitted[place] = logistic(level, curve, trials)
    dimensions = ("order", "fraction", "repeat", "parameter")
    coordinates = {name: result[name] for name in dimensions[:3]}
    return xr.Dataset(
        {"fitted": (dimensions, fitted)}, {**coordinates, "parameter": ["bias", "sensitivity"]}, result.attrs
    )
