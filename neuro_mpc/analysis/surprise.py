"""Surprise at the target, and the errors that come with it."""

from __future__ import annotations

from typing import cast

import numpy as np
import xarray as xr

from neuro_mpc.analysis.bootstrap import DRAWS, LEVEL, SEED
from neuro_mpc.analysis.energy import target_loss
from neuro_mpc.analysis.intervals import widened
from neuro_mpc.analysis.traces import asked, settled, targets, traces, trajectory_setting
from neuro_mpc.runfile import access

FEWEST = 5  # observations in a bin


def surprise(run: xr.DataTree, sample: int = -1, after_inference: bool = False) -> xr.DataArray:
    """Surprise at the target: −ln of the probability that the circuit gave to it.

    Parameters
    ----------
    run : xarray.DataTree
        A run with recorded samples.
    sample : int, optional
        Index of the recorded presentation, in the order of recording.
    after_inference : bool, optional
        Take the output that inference left instead, which has come nearer to the target.

    Returns
    -------
    xarray.DataArray
        (step, trial) where the target is read, in nats; NaN where a step has no target.

    Raises
    ------
    RunFileError
        The output was not recorded, or not before inference.

    Notes
    -----
    It is that of the prediction *before* inference, when the target was not known. Under fixed prediction the recorded
    output is this prediction; of a relaxation it is the first iteration of the trajectory. For a Gaussian read-out it
    is ½ Σ (target − output)², which is the surprise up to a constant.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.surprise(nm.open_run("run.nc")).attrs["units"]
    'nat'
    """
    target = access.target_population(run)
    output = traces(run, target, sample)
    scheme = access.describe(run, "protocol").get("inference", {}).get("scheme", "fixed-prediction")
    if "iteration" in output.sizes:
        output = output.isel(iteration=-1 if after_inference else 0, drop=True)
    elif scheme != "fixed-prediction" and not after_inference:
        raise access.lacking(run, "output before inference", trajectory_setting(run))
    gaussian = access.population(run, target).get("readout", "softmax") == "gaussian"
    label = "surprise at the target, minus a constant" if gaussian else "surprise at the target, −ln of its probability"
    loss = target_loss(run, output, sample).rename("surprise").where(asked(run, targets(run, sample), target))
    return loss.transpose("step", "trial").assign_attrs(long_name=label, units="nat")


def error_by_surprise(
    run: xr.DataTree,
    population: str,
    sample: int = -1,
    bins: int = 6,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = SEED,
) -> xr.Dataset:
    """Size of a population's error against the surprise of the same step and trial.

    Parameters
    ----------
    run : xarray.DataTree
        A run with recorded samples.
    population : str
        Name of the population.
    sample : int, optional
        Index of the recorded presentation, in the order of recording.
    bins : int, optional
        Bins of about as many observations each; fewer where there are fewer than five in each.
    draws : int, optional
        Bootstrap samples.
    level : float, optional
        Level of the intervals.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `surprise`, −ln p of the target, and `error`, √(Σ_units e²) as inference left it (step, trial); their means
        `mean_surprise` and `mean_error` (bin), and the interval `low`, `high` of the latter: trials are drawn with
        replacement, and it is widened as far as Student's t reaches for the number of `trials` (bin). The attribute
        `rank_correlation` is Spearman's, missing where either is constant.

    Raises
    ------
    RunFileError
        The traces, or the output before inference, were not recorded.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.error_by_surprise(nm.open_run("run.nc"), "hidden")["error"].dims
    ('step', 'trial')
    """
    error = settled(traces(run, population, sample))["error"].astype(float)
    size = cast(xr.DataArray, np.sqrt((error**2).sum("unit"))).transpose("step", "trial").rename("error")
    size.attrs = {"long_name": f"size of the error of {population}", "units": "1"}
    size, target_surprise = xr.align(size, surprise(run, sample), join="inner")
    dataset = xr.Dataset({"surprise": target_surprise, "error": size}, attrs={"population": population})
    dataset.attrs["rank_correlation"] = _rank_correlation(target_surprise.values.ravel(), size.values.ravel())
    return dataset.assign(_binned(target_surprise.values, size.values, bins, draws, level, seed))


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    known = ~np.isnan(one)
    one, other = one[known], other[known]
    if not len(one) or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    from scipy.stats import rankdata  # takes half a second to import

    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def _binned(surprise: np.ndarray, size: np.ndarray, bins: int, draws: int, level: float, seed: int) -> dict:
    """Means in bins of (step, trial) arrays, and intervals by resampling trials; what is missing is in no bin."""
    known = ~np.isnan(surprise)
    bins = max(min(bins, int(known.sum()) // FEWEST), 1)
    edges = np.quantile(surprise[known], np.linspace(0, 1, bins + 1))
    number = np.clip(np.searchsorted(edges, surprise, side="right") - 1, 0, bins - 1)
    # (step, trial, bin); bins that equal values leave empty are dropped
    membership = (number[..., None] == np.unique(number[known])) & known[..., None]
    count = membership.sum(0)
    sums, means = (membership * size[..., None]).sum(0), (membership * np.nan_to_num(surprise)[..., None]).sum((0, 1))
    trials = size.shape[1]
    drawn = np.random.default_rng(seed).multinomial(trials, np.full(trials, 1 / trials), size=draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = (drawn @ sums) / (drawn @ count)
        low, high = np.nanquantile(resampled, [(1 - level) / 2, (1 + level) / 2], axis=0)
        mean, among = sums.sum(0) / count.sum(0), (count > 0).sum(0)
        low, high = widened(mean, low, high, among, level)
        return {
            "mean_surprise": ("bin", means / count.sum(0)),
            "mean_error": ("bin", mean),
            "trials": ("bin", among),
            "low": ("bin", low),
            "high": ("bin", high),
            "count": ("bin", count.sum(0)),
        }
