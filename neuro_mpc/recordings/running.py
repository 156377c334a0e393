"""Running speed at the events of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.errors import RunFileError
from neuro_mpc.recordings.series import Series

if TYPE_CHECKING:
    from neuro_mpc.examination.inside import Inside

PATH = "processing/running/running_speed"
BEFORE = 0.5
"""How long before an event the speed is averaged (s)."""
UNITS = {"cm/s": 1.0, "cmps": 1.0, "": 1.0, "m/s": 100.0, "mm/s": 0.1}


def speeds(file: Inside, onset: np.ndarray) -> np.ndarray:
    """Mean speed (cm/s) in the half second before each event; NaN where it was not recorded."""
    if not file.has(f"{PATH}/data"):
        raise RunFileError(f"there is no running speed, {PATH}", hint="min_speed=None: whether the mouse runs or not")
    series = Series(file, PATH)
    if series.unit not in UNITS:
        raise RunFileError(f"running speed is in {series.unit[:40]!r}", hint=f"one of {', '.join(filter(None, UNITS))}")
    return series.means(onset - BEFORE, onset)[:, 0] * UNITS[series.unit]
