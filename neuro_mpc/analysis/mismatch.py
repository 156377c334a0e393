"""Deviance: a stimulus in a context where it is rare, compared with the same stimulus in a control block."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from neuro_mpc.analysis import intervals
from neuro_mpc.analysis.bootstrap import DRAWS, LEVEL, SEED, percentiles
from neuro_mpc.analysis.mismatch_responses import Cells, Source, all_cells
from neuro_mpc.analysis.rounding import varies
from neuro_mpc.errors import RunFileError

CONTEXTS = {
    "standard": ("control-1", "orientation_0"),
    "sequence": ("control-2", "orientation_0"),
    "sensorimotor": ("control-4", "coupled"),
    "duration": ("control-3", "delay_343"),
    "local": ("global", "orientation_0"),
    "global": ("local", "orientation_90"),
}
"""Context → its control block, and the stimulus that is usual in it."""
ALL = "all"
MEASURES = ("deviant", "control", "difference", "index", "slope", "offset")
MANY = "many-standards"
DRAWN_TOGETHER = 100
"""Bootstrap samples whose means are computed at once."""


def mismatch(
    source: Source,
    population: str = "",
    quantity: str = "",
    window: Sequence[float] = (0, 300),
    draws: int = DRAWS,
    seed: int = SEED,
) -> xr.Dataset:
    """Contrast of the responses to deviants with those to the same stimuli in control blocks.

    Parameters
    ----------
    source : xarray.DataTree, xarray.DataArray, str or path, or sequence of these
        Runs of the experiment "mismatch", or recordings: a run or its file; the file of a recording, with the suffix
        ``.nwb``; or responses (trial, unit) with the coordinates `block` and `stimulus`, such as those of `recorded`.
        Of one the intervals are over its trials, of several over the runs or recordings.
    population : str, optional
        As for `mismatch_responses`, or `recorded`.
    quantity : str, optional
        As for `mismatch_responses`, or `recorded`; by default "error" of runs, "spikes" or "dff" of recordings.
    window : sequence of float, optional
        As for `mismatch_responses`.
    draws : int, optional
        Bootstrap samples of the trials of one run.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `mean`, `low` and `high` (comparison, measure), and `unit_deviant` and `unit_control` (run, comparison, unit;
        NaN beyond the units of a recording that has fewer than others), with the coordinates `context` and `stimulus`
        (comparison,). The stimulus "all" is every deviant of a context. The stimulus that is usual in a context is
        compared, too. `trials` (comparison,) is the smallest number behind a mean. The attributes tell `number`, `over`
        and `interval`.

    Raises
    ------
    RunFileError
        A run holds no such experiment, recorded no such quantity, or has no context with its control.

    Notes
    -----
    Measures, of the mean responses d_i and c_i of unit i in context and control:

    ========== ==========================================================================
    deviant    D, mean of d_i over units
    control    C, mean of c_i
    difference D − C
    index      (D − C) / (D + C)
    slope      of the regression d_i = offset + slope · c_i over units; of "all" over units and stimuli
    offset     of the same
    ========== ==========================================================================

    A slope above 1 says that the context multiplies responses, an offset above 0 that it adds to them, a slope near 0
    that the response is another one: that of an error, whatever the stimulus evokes elsewhere.

    Over several runs intervals are those of `interval`. Over the trials of one run each cell is resampled, and the
    interval widened as far as Student's t of the smaller of both cells reaches.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> found = nm.analysis.mismatch(nm.open_run("mismatch.nc"))
    >>> found["measure"].values.tolist()
    ['deviant', 'control', 'difference', 'index', 'slope', 'offset']
    """
    every = all_cells(source, population, quantity, window)
    compared = comparisons(every[0])
    if not compared:
        blocks = ", ".join(dict.fromkeys(block for block, _ in every[0]))
        pairs = ", ".join(f"{context} and {control}" for context, (control, _) in CONTEXTS.items())
        raise RunFileError(
            f"no stimulus was shown in a context and in its control: there are the blocks {blocks}",
            hint=f"experiment.blocks of a context and its control; events of your own have these names, too: {pairs}",
        )
    values = np.stack([[_measures(cells, pairs) for pairs in compared.values()] for cells in every])
    ends = _over_trials(every[0], compared, draws, seed) if len(every) == 1 else _over_runs(values, draws, seed)
    contexts, stimuli = np.array(list(compared)).T
    units = {name: _units(every, compared, side) for side, name in enumerate(("unit_deviant", "unit_control"))}
    trials = [
        min(len(cells[cell]) for cells in every for pair in pairs for cell in pair) for pairs in compared.values()
    ]
    number = len(every) if len(every) > 1 else min(trials)
    return xr.Dataset(
        {
            **{
                name: (("comparison", "measure"), part)
                for name, part in zip(("mean", "low", "high"), (values.mean(axis=0), *ends), strict=True)
            },
            **{name: (("run", "comparison", "unit"), part) for name, part in units.items()},
            "trials": ("comparison", np.array(trials)),
        },
        {"context": ("comparison", contexts), "stimulus": ("comparison", stimuli), "measure": list(MEASURES)},
        {
            "number": number,
            "over": "run" if len(every) > 1 else "trial",
            "interval": intervals.kind(number),
            "level": LEVEL,
        },
    )


def adaptation_and_deviance(
    source: Source,
    population: str = "",
    quantity: str = "",
    window: Sequence[float] = (0, 300),
    draws: int = DRAWS,
    seed: int = SEED,
) -> xr.Dataset:
    """What a response to a deviant owes to the adaptation to the standard, and what to deviance.

    Parameters
    ----------
    source : xarray.DataTree, xarray.DataArray, str or path, or sequence of these
        As for `mismatch`; the block "standard" is needed, and as its control "many-standards" or, in sessions without
        it, such as recorded ones, "control-1", whose 14 directions come in any order.
    population : str, optional
        As for `mismatch`.
    quantity : str, optional
        As for `mismatch`.
    window : sequence of float, optional
        As for `mismatch_responses`.
    draws : int, optional
        Bootstrap samples.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `mean`, `low` and `high` (part,): `adaptation`, the response to the standard's grating among many standards
        minus that to the standard; `deviance`, the response to deviants minus that to the same stimuli among many
        standards. The attribute `control` tells which block that is.

    Raises
    ------
    RunFileError
        One of the blocks was not shown.

    References
    ----------
    Jacobsen & Schröger 2001, Psychophysiology 38:723, for the control of many standards.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.adaptation_and_deviance(nm.open_run("mismatch.nc"))["part"].values.tolist()
    ['adaptation', 'deviance']
    """
    every = all_cells(source, population, quantity, window)
    usual = CONTEXTS["standard"][1]
    many = MANY if (MANY, usual) in every[0] else CONTEXTS["standard"][0]
    deviants = [name for block, name in every[0] if block == "standard" and (many, name) in every[0] and name != usual]
    if not deviants or (many, usual) not in every[0] or ("standard", usual) not in every[0]:
        raise RunFileError("needs the standard context and many standards", hint='experiment.blocks = ["standard", …]')
    pairs = {
        "adaptation": [((many, usual), ("standard", usual))],
        "deviance": [(("standard", name), (many, name)) for name in deviants],
    }
    values = np.stack([[_difference(cells, each) for each in pairs.values()] for cells in every])
    ends = (
        _resampled(every[0], list(pairs.values()), _difference, draws, seed)
        if len(every) == 1
        else _over_runs(values, draws, seed)
    )
    parts = zip(("mean", "low", "high"), (values.mean(axis=0), *ends), strict=True)
    compared = [cell for each in pairs.values() for pair in each for cell in pair]
    number, over = (len(every), "run") if len(every) > 1 else (min(len(every[0][cell]) for cell in compared), "trial")
    return xr.Dataset(
        {name: ("part", part) for name, part in parts},
        {"part": list(pairs)},
        {"control": many, "number": number, "over": over, "interval": intervals.kind(number), "level": LEVEL},
    )


Pairs = list[tuple[tuple[str, str], tuple[str, str]]]
"""Cells of deviants, each with the cell of its control."""


def comparisons(cells: Cells) -> dict[tuple[str, str], Pairs]:
    """Context and stimulus → the cells that are compared; "all" for all deviants of a context."""
    found: dict[tuple[str, str], Pairs] = {}
    for context, (control, usual) in CONTEXTS.items():
        shown = [name for block, name in cells if block == context and (control, name) in cells]
        pairs = {name: ((context, name), (control, name)) for name in shown}
        deviants = [pair for name, pair in pairs.items() if name != usual]
        found |= {(context, name): [pair] for name, pair in pairs.items()}
        if deviants:
            found[context, ALL] = deviants
    return found


def _measures(cells: Cells, pairs: Pairs) -> np.ndarray:
    """The measures of a comparison; NaN where they are not defined. Of cells (1, draw, unit) those of each draw."""
    deviant, control = (np.concatenate([cells[pair[side]].mean(axis=0) for pair in pairs], axis=-1) for side in (0, 1))
    high, low = deviant.mean(axis=-1), control.mean(axis=-1)
    total, difference, spread = high + low, high - low, control - low[..., None]
    power = (spread**2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(varies(spread, control, -1), (spread * deviant).sum(axis=-1) / power, np.nan)
        index = np.where(total != 0, difference / total, np.nan)
    return np.stack([high, low, difference, index, slope, high - slope * low], axis=-1)


def _difference(cells: Cells, pairs: Pairs) -> np.ndarray:
    """Of cells (1, draw, unit) that of each draw."""
    return np.mean([cells[one].mean(axis=(0, -1)) - cells[other].mean(axis=(0, -1)) for one, other in pairs], axis=0)


def _over_runs(values: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Both ends (2, …) of the intervals over the first dimension."""
    flat = values.reshape(len(values), -1)
    return intervals.ends(flat, draws, LEVEL, seed).reshape(2, *values.shape[1:])


def _over_trials(cells: Cells, compared: dict[tuple[str, str], Pairs], draws: int, seed: int) -> np.ndarray:
    return _resampled(cells, list(compared.values()), _measures, draws, seed)


def _resampled(
    cells: Cells, compared: list[Pairs], measured: Callable[[Cells, Pairs], np.ndarray], draws: int, seed: int
) -> np.ndarray:
    """Both ends (2, comparison, …) of intervals over trials, which are drawn again within each cell."""
    found = np.array([measured(cells, pairs) for pairs in compared])
    random = np.random.default_rng(seed)
    needed = list(dict.fromkeys(cell for pairs in compared for pair in pairs for cell in pair))
    samples = []
    for start in range(0, draws, DRAWN_TOGETHER):
        drawn = _drawn_again({cell: cells[cell] for cell in needed}, min(DRAWN_TOGETHER, draws - start), random)
        samples.append(np.stack([measured(drawn, pairs) for pairs in compared], axis=1))
    low, high = percentiles(np.concatenate(samples), LEVEL)
    number = np.array([min(len(cells[cell]) for pair in pairs for cell in pair) for pairs in compared])
    return intervals.widened(found, low, high, number.reshape(-1, *[1] * (found.ndim - 1)))


def _drawn_again(cells: Cells, draws: int, random: np.random.Generator) -> Cells:
    """The cells (1, draw, unit): means of as many trials, drawn with replacement. How often each is drawn says all
    that a mean needs; the products of many draws are one."""
    numbers = [len(values) for values in cells.values()]
    first = np.cumsum([0, *numbers])
    drawn = random.integers(np.repeat(numbers, numbers), size=(draws, first[-1])) + np.repeat(first[:-1], numbers)
    drawn += first[-1] * np.arange(draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(float)
    return {
        cell: (counts[:, start : start + len(values)] @ values / len(values))[None]
        for (cell, values), start in zip(cells.items(), first)
    }


def _units(every: list[Cells], compared: dict[tuple[str, str], Pairs], side: int) -> np.ndarray:
    """(run, comparison, unit), NaN beyond the units of a recording; of all deviants their mean."""
    most = max(values.shape[1] for cells in every for values in cells.values())
    found = np.full((len(every), len(compared), most), np.nan)
    for of_run, cells in zip(found, every, strict=True):
        for row, pairs in zip(of_run, compared.values(), strict=True):
            mean = np.mean([cells[pair[side]].mean(axis=0) for pair in pairs], axis=0)
            row[: len(mean)] = mean
    return found
