"""Psychometric curves of trained circuits, and the logistic functions that describe them."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.special import expit

from neuro_mpc.analysis.bootstrap import DRAWS, SEED
from neuro_mpc.analysis.experiments import Runs, curves_of, experiment, listed, refuse_different

MOST_STEPS, NEAR = 200, 1e-9  # of the fit; steps of the coefficients that count as none


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

    The likelihood is penalised by √det of its information (Firth 1993). Without that, a circuit that chooses one side
    whatever it is shown, or never errs, has no largest likelihood, and its parameters would be infinite (Heinze &
    Schemper 2002). Of other curves, the penalty changes the parameters by the order of 1/trials.

    References
    ----------
    Wichmann & Hill 2001, Perception & Psychophysics 63:1293, whose functions have lapses, too.
    Firth 1993, Biometrika 80:27. Heinze & Schemper 2002, Statistics in Medicine 21:2409.

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
    """Bias and sensitivity of the logistic function of largest likelihood, penalised as Firth (1993) does.

    evidence (level,); choices (level,) their fraction in the numbers of `trials` (level,). Where all evidence is the
    same, the sensitivity is missing.
    """
    spread = float(np.sqrt(np.average(np.square(evidence), weights=trials))) or 1.0
    if np.ptp(evidence) == 0:
        chosen = trials @ choices
        return np.array([np.log((chosen + 0.5) / (trials.sum() - chosen + 0.5)), np.nan])
    design = np.stack([np.ones_like(evidence), evidence / spread], axis=1)
    coefficients, (found, step) = np.zeros(2), _ascent(design, np.zeros(2), choices, trials)
    for _ in range(MOST_STEPS):
        if np.abs(step).max() < NEAR:
            break
        likelihood, following = _ascent(design, coefficients + step, choices, trials)
        if likelihood < found - NEAR:
            step = step / 2
        else:
            coefficients, found, step = coefficients + step, likelihood, following
    return coefficients / [1, spread]


def _ascent(
    design: np.ndarray, coefficients: np.ndarray, choices: np.ndarray, trials: np.ndarray
) -> tuple[float, np.ndarray]:
    """The penalised logarithm of the likelihood, −∞ where there is no information, and a step of Fisher scoring."""
    odds = design @ coefficients
    one, other = expit(odds), expit(-odds)  # both by themselves: of steep curves, 1 − p would leave nothing
    weights = trials * one * other
    information = design.T @ (weights[:, None] * design)
    sign, volume = np.linalg.slogdet(information)
    if sign <= 0 or not np.isfinite(volume):
        return -np.inf, np.zeros(2)
    inverse = np.linalg.inv(information)
    leverage = weights * np.einsum("ij,jk,ik->i", design, inverse, design)
    errors = trials * (choices * other - (1 - choices) * one) + leverage * (other - one) / 2
    likelihood = -trials @ ((1 - choices) * np.logaddexp(0, odds) + choices * np.logaddexp(0, -odds))
    return float(likelihood + volume / 2), inverse @ (design.T @ errors)


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
