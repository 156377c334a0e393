"""What each paradigm of mismatch contrasts, as one number a run, and whether the contrast survives over runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neuro_mpc.analysis import intervals
from neuro_mpc.analysis.bootstrap import LEVEL
from neuro_mpc.analysis.mismatch import ALL, CONTEXTS, MANY, Pairs, comparisons
from neuro_mpc.analysis.mismatch_responses import Cells, Source, all_cells
from neuro_mpc.errors import RunFileError

RECORDED = ("standard", "sequence", "sensorimotor", "duration")
"""Contexts whose deviants are compared with those of control blocks."""
LEAST = 0.05
"""The smallest index that is worth the name of a response: it says that one mean is some 10 % larger than the other."""
A, B = "orientation_0", "orientation_90"


def paradigms(
    source: Source, population: str = "", quantity: str = "", window: Sequence[float] = (0, 300)
) -> xr.Dataset:
    """The contrast of each paradigm of mismatch that was shown: one number for each run.

    Parameters
    ----------
    source : xarray.DataTree, xarray.DataArray, str or path, or sequence of these
        As for `mismatch`.
    population : str, optional
        As for `mismatch`.
    quantity : str, optional
        As for `mismatch`.
    window : sequence of float, optional
        As for `mismatch_responses`.

    Returns
    -------
    xarray.Dataset
        `response` R and `reference` S, means over units and stimuli, and their `index` (R − S)/(R + S) (run, paradigm).

    Raises
    ------
    RunFileError
        A run holds no such experiment, recorded no such quantity, or was shown none of the paradigms.

    Notes
    -----
    ====================== =====================================================================================
    paradigm               response, and its reference
    ====================== =====================================================================================
    standard, sequence,    deviants of this context; the same stimuli in its control block
    sensorimotor, duration
    omission               what fails to come in the context `duration`; the same in its control block
    usual element          the usual third element of a sequence; the same grating in the control block
    repetition             the last presentation of a train; the first
    many standards         deviants of the standard context; the same stimuli among many standards
    local                  B at the end of AAAAB; A at the end of AAAAA, each where it is rare and where it is not
    global                 the end that is rare; the same end where it is frequent, of AAAAB and of AAAAA
    ====================== =====================================================================================

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.paradigms(nm.open_run("mismatch.nc"))["paradigm"].values.tolist()[:2]
    ['standard', 'sequence']
    """
    every = all_cells(source, population, quantity, window)
    shown = contrasts(every[0])
    if not shown:
        raise RunFileError("no paradigm was shown with what it is compared with", hint="experiment.blocks")
    values = np.array([[_means(cells, pairs) for pairs in shown.values()] for cells in every])
    response, reference = values[..., 0], values[..., 1]
    parts = {"response": response, "reference": reference, "index": index(response, reference)}
    return xr.Dataset({name: (("run", "paradigm"), part) for name, part in parts.items()}, {"paradigm": list(shown)})


def verdict(values: Sequence[float] | np.ndarray, least: float = LEAST, level: float = LEVEL) -> str:
    """Whether a contrast survives, from its values in several runs.

    Parameters
    ----------
    values : sequence of float
        An index, or a difference of two, for each run (n,).
    least : float, optional
        The smallest size that would count as a response.
    level : float, optional
        Level of the interval that `interval` gives.

    Returns
    -------
    str
        "more" or "less" where the interval is above or below 0; else "none" where it lies within ± `least`, and
        "unclear" where it does not, or where there is no interval.

    Examples
    --------
    >>> from neuro_mpc.analysis import verdict
    >>> [verdict(values) for values in ([0.2, 0.3, 0.25], [0.01, -0.01, 0.0], [0.2, -0.2, 0.1])]
    ['more', 'none', 'unclear']
    """
    low, high = intervals.interval(np.asarray(values, float), level=level)
    if low > 0:
        return "more"
    if high < 0:
        return "less"
    return "none" if -least <= low and high <= least else "unclear"


def contrasts(cells: Cells) -> dict[str, Pairs]:
    """Paradigm → pairs of cells, a response and its reference, of those that were shown."""
    compared = comparisons(cells)
    found = {context: compared[context, ALL] for context in RECORDED if (context, ALL) in compared}
    deviants = [name for block, name in cells if block == "standard" and name != A and (MANY, name) in cells]
    fixed: dict[str, Pairs] = {
        "omission": [(("duration", "omission"), (CONTEXTS["duration"][0], "omission"))],
        "usual element": [(("sequence", A), (CONTEXTS["sequence"][0], A))],
        "repetition": _ends_of_trains(cells),
        "many standards": [(("standard", name), (MANY, name)) for name in deviants],
        "local": [(("local", B), ("global", A)), (("global", B), ("local", A))],
        "global": [(("local", B), ("global", B)), (("global", A), ("local", A))],
    }
    shown = {name: pairs for name, pairs in fixed.items() if pairs and all(c in cells for pair in pairs for c in pair)}
    return found | shown


def index(response, reference):
    """(R − S)/(R + S): from −1 to 1, 0 where both are alike; NaN where both are 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (response - reference) / (response + reference)


def _ends_of_trains(cells: Cells) -> Pairs:
    """The last presentation of a train with the first."""
    names = [name for block, name in cells if block == "repetition"]
    numbers = sorted(int(name.removeprefix("repetition_")) for name in names)
    ends = [("repetition", f"repetition_{number}") for number in (numbers[-1:] + numbers[:1])]
    return [(ends[0], ends[1])] if len(numbers) > 1 else []


def _means(cells: Cells, pairs: Pairs) -> list[float]:
    return [float(np.mean([cells[pair[side]].mean() for pair in pairs])) for side in (0, 1)]
