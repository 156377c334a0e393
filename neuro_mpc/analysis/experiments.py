"""Results of experiments on trained circuits, in one run file or in those of several seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neuro_mpc.analysis import intervals
from neuro_mpc.analysis.bootstrap import DRAWS, LEVEL, SEED
from neuro_mpc.errors import RunFileError
from neuro_mpc.runfile import access
from neuro_mpc.runfile.attributes import attribute, checked

Runs = xr.DataTree | Sequence[xr.DataTree]
RESPONSES = ("oddball", "omission")
PROTOCOLS = {"mismatch": "mismatch-responses"}
"""Kind of an experiment → the shipped protocol of another name."""
WINDOWS = ("before", "at", "after")


def experiment(run: xr.DataTree, *kinds: str) -> xr.Dataset:
    """The results of the experiment of a run.

    Parameters
    ----------
    run : xarray.DataTree
        The run of an experiment.
    *kinds : str
        Kinds that are accepted, such as "oddball"; none: all.

    Returns
    -------
    xarray.Dataset
        The group ``experiment`` of the run file, with names as text; `kind` is an attribute.

    Raises
    ------
    RunFileError
        The run holds no experiment, or one of another kind.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.experiment(nm.open_run("oddball.nc"), "oddball", "omission").attrs["kind"]
    'oddball'
    """
    group = access.group(run, "experiment")
    if group is None or (kinds and attribute(group, "kind") not in kinds):
        kind = kinds[0] if kinds else "oddball"
        protocol = PROTOCOLS.get(kind, kind)
        raise RunFileError(
            f"{access.source(run)} holds no experiment of the kind {' or '.join(kinds) or 'any'}",
            hint=f"neuro-mpc run {protocol} --from run.nc --out {protocol}.nc",
        )
    results = group.to_dataset(inherit=False)
    results.encoding["source"] = access.source(run)
    coded = [name for name, values in checked(results).variables.items() if "flag_meanings" in values.attrs]
    named = {name: _names(run, results[name]) for name in coded}
    coordinates = {name: values for name, values in named.items() if name in results.coords}
    return results.assign_coords(coordinates).assign({name: named[name] for name in named if name not in coordinates})


def _names(run: xr.DataTree, numbers: xr.DataArray) -> tuple[str, np.ndarray]:
    """Names, which the file holds as numbers with `flag_meanings` (CF-1.11, 3.5)."""
    meanings = np.array(attribute(numbers, "flag_meanings").split(" "))
    values = numbers.values
    if values.ndim != 1 or values.dtype.kind not in "iu" or not ((values >= 0) & (values < len(meanings))).all():
        raise RunFileError(
            f"{access.source(run)}: {numbers.name} does not number the {len(meanings)} names in its flag_meanings"
        )
    return str(numbers.dims[0]), meanings[values]


def mean_interval(
    values: xr.DataArray, over: str, draws: int = DRAWS, level: float = LEVEL, seed: int = SEED
) -> xr.Dataset:
    """Mean over one dimension, with its interval; all other dimensions stay.

    Parameters
    ----------
    values : xarray.DataArray
        Of any dimensions.
    over : str
        The dimension whose entries are independent, such as "run" or "trial".
    draws : int, optional
        Bootstrap samples.
    level : float, optional
        Level of the interval.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `mean`, `low` and `high`; the ends are missing where there is one entry only. The attributes say how it was
        made: `number` of entries, `over`, `interval` ("t" or "bootstrap") and `level`.

    Notes
    -----
    Below 30 entries of `over` the interval is that of Student's t. From 30 on whole entries are drawn with replacement,
    the same ones for all other dimensions (bootstrap); see `interval`.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> import xarray as xr
    >>> result = nm.analysis.mean_interval(xr.DataArray([1.0, 2.0, 3.0], dims="run"), "run")
    >>> float(result["mean"]), round(float(result["high"]), 2)
    (2.0, 4.48)
    """
    ordered = values.transpose(over, ...).astype(float)
    mean = ordered.mean(over, skipna=False)
    flat = ordered.values.reshape(len(ordered), -1)
    ends = intervals.ends(flat, draws, level, seed)
    low, high = (mean.copy(data=end.reshape(mean.shape)) for end in ends)
    attributes = {"number": len(ordered), "over": over, "interval": intervals.kind(len(ordered)), "level": level}
    return xr.Dataset({"mean": mean, "low": low, "high": high}, attrs=attributes)


def responses(runs: Runs, quantity: str = "error", draws: int = DRAWS, seed: int = SEED) -> xr.Dataset:
    """Mean responses of an oddball or an omission, with 95 % intervals.

    Parameters
    ----------
    runs : xarray.DataTree or sequence of xarray.DataTree
        Of one run the intervals are over its trials, of several over the runs (seeds), whose trials are averaged.
    quantity : str, optional
        "error"; "surprise" or "right", which are of the target and have no population.
    draws : int, optional
        Bootstrap samples.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `mean`, `low` and `high` (condition, population, step).

    Raises
    ------
    RunFileError
        A run holds no such experiment, or the runs differ in it.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.responses(nm.open_run("oddball.nc"))["condition"].values.tolist()
    ['standard', 'control', 'deviant']
    """
    return _over(_stacked(runs, quantity), draws, seed)


def contrast(
    runs: Runs, quantity: str = "error", against: str = "standard", draws: int = DRAWS, seed: int = SEED
) -> xr.Dataset:
    """Contrast of the responses with those of a condition, trial by trial.

    Parameters
    ----------
    runs : xarray.DataTree or sequence of xarray.DataTree
        As for `responses`.
    quantity : str, optional
        As for `responses`.
    against : str, optional
        The condition that is subtracted.
    draws : int, optional
        Bootstrap samples.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `mean`, `low` and `high` (condition, population, step) of the other conditions.

    Raises
    ------
    RunFileError
        A run holds no such experiment, or the runs differ in it.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.contrast(nm.open_run("oddball.nc"))["condition"].values.tolist()
    ['control', 'deviant']
    """
    values = _stacked(runs, quantity)
    differences = values - values.sel(condition=against)
    others = [name for name in values["condition"].values if name != against]
    return _over(differences.sel(condition=others), draws, seed)


def by_window(
    runs: Runs, quantity: str = "error", against: str = "standard", draws: int = DRAWS, seed: int = SEED
) -> xr.Dataset:
    """The `contrast`, averaged over the steps before, at and after the onset.

    Parameters
    ----------
    runs : xarray.DataTree or sequence of xarray.DataTree
        As for `responses`.
    quantity : str, optional
        As for `responses`.
    against : str, optional
        The condition that is subtracted.
    draws : int, optional
        Bootstrap samples.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `mean`, `low` and `high` (condition, population, window); the onset is the first step that the deviant or the
        absence touches.

    Raises
    ------
    RunFileError
        A run holds no such experiment, or the runs differ in it.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.by_window(nm.open_run("oddball.nc"))["window"].values.tolist()
    ['before', 'at', 'after']
    """
    values = _stacked(runs, quantity)
    onset = attribute(values, "onset")
    step = values["step"]
    means = [values.where(chosen, drop=True).mean("step") for chosen in (step < onset, step == onset, step > onset)]
    windows = xr.concat(means, dim=xr.DataArray(list(WINDOWS), dims="window", name="window"))
    others = [name for name in values["condition"].values if name != against]
    differences = (windows - windows.sel(condition=against)).sel(condition=others)
    return _over(differences, draws, seed)


def lesion_curves(runs: Runs, quantity: str = "performance", draws: int = DRAWS, seed: int = SEED) -> xr.Dataset:
    """Mean of a quantity against the fraction that is silenced, with 95 % intervals.

    Parameters
    ----------
    runs : xarray.DataTree or sequence of xarray.DataTree
        Of one run the intervals are over its random orders, of several over the runs (seeds).
    quantity : str, optional
        "performance", "loss" or, of a language, "correct_letter_ratio".
    draws : int, optional
        Bootstrap samples.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `mean`, `low` and `high` (order, fraction); an order without repetitions has no interval.

    Raises
    ------
    RunFileError
        A run holds no lesion, or the runs differ in it.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.lesion_curves(nm.open_run("lesion.nc"))["mean"].dims
    ('order', 'fraction')
    """
    return curves_of([experiment(run, "lesion") for run in listed(runs)], quantity, draws, seed)


def curves_of(results: list[xr.Dataset], quantity: str, draws: int, seed: int) -> xr.Dataset:
    """Mean of a quantity (order, fraction, repeat, …) over the random orders of one experiment, or over several."""
    refuse_different(results, quantity)
    if len(results) == 1:
        values = results[0][quantity]
        repeated = values.isel(repeat=slice(1, None)).notnull().any("repeat")
        curves = mean_interval(values.fillna(values.isel(repeat=0)), "repeat", draws, seed=seed)
        # What has one order only has no interval.
        return curves.assign({end: curves[end].where(repeated) for end in ("low", "high")})
    return mean_interval(_joined([result[quantity].mean("repeat") for result in results]), "run", draws, seed=seed)


def ensembles(runs: Runs) -> xr.Dataset:
    """Summary of networks that were drawn from learned distributions.

    Parameters
    ----------
    runs : xarray.DataTree or sequence of xarray.DataTree
        Runs of the experiment "ensemble".

    Returns
    -------
    xarray.Dataset
        (run), all performances being fractions: `single`, `spread`, `worst` and `best`, mean, standard deviation (of a
        sample: n − 1) and range of the networks' performance; `agreement`, mean over pairs of networks of the fraction
        of equal answers; of a single network spread and agreement are missing;
        `vote` and `mean_output`, performance of the most frequent answer, and of the mean output, of all networks;
        `noise` and `mean_weights`, performance of the circuit with noise, and with every weight at its mean.

    Raises
    ------
    RunFileError
        A run holds no ensemble.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.ensembles([nm.open_run("ensemble.nc")])["vote"].dims
    ('run',)
    """
    results = [experiment(run, "ensemble") for run in listed(runs)]
    return xr.concat([_ensemble(result) for result in results], dim="run")


def _ensemble(result: xr.Dataset) -> xr.Dataset:
    performance, agreement = result["performance"].values.astype(float), result["agreement"].values
    others = ~np.eye(len(agreement), dtype=bool)
    values = {
        "single": performance.mean(),
        "spread": performance.std(ddof=1) if len(performance) > 1 else np.nan,
        "worst": performance.min(),
        "best": performance.max(),
        "agreement": agreement[others].mean() if others.any() else np.nan,
        **{name: float(result[name][-1]) for name in ("vote", "mean_output")},
        **{name: attribute(result, name) for name in ("noise", "mean_weights")},
    }
    return xr.Dataset(values)


def listed(runs: Runs) -> list[xr.DataTree]:
    """One run, or several, as a list."""
    return [runs] if isinstance(runs, xr.DataTree) else list(runs)


def _stacked(runs: Runs, quantity: str) -> xr.DataArray:
    """A response of one run by its trials, or of several (run,), means over trials."""
    results = [experiment(run, *RESPONSES) for run in listed(runs)]
    refuse_different(results, quantity)
    arrays = [each[quantity].assign_attrs(each.attrs) for each in results]
    return arrays[0] if len(arrays) == 1 else _joined([each.mean("trial", keep_attrs=True) for each in arrays])


def _joined(arrays: list[xr.DataArray]) -> xr.DataArray:
    return xr.concat(arrays, dim="run", combine_attrs="override", coords="minimal", compat="override")


def _over(values: xr.DataArray, draws: int, seed: int) -> xr.Dataset:
    return mean_interval(values, "run" if "run" in values.dims else "trial", draws, seed=seed)


def refuse_different(results: list[xr.Dataset], quantity: str) -> None:
    """Runs can be put together where their experiments are the same."""
    if quantity not in results[0]:
        measured = ", ".join(str(name) for name in results[0].data_vars)
        raise RunFileError(f"this experiment measured no {quantity}", hint=f"one of {measured}")
    first = results[0]
    for other in results[1:]:
        same = {name: values for name, values in first.attrs.items() if not isinstance(values, np.ndarray)}
        if any(other.attrs.get(name) != value for name, value in same.items()) or any(
            name != "trial" and not other[name].equals(first[name]) for name in first[quantity].indexes
        ):
            raise RunFileError("these runs made different experiments", hint="runs of the same protocol")
