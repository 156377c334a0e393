"""Responses of recorded neurons to the events of a mismatch session, in the form that those of runs have."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neuro_mpc.errors import RunFileError
from neuro_mpc.recordings import events as recorded_events
from neuro_mpc.recordings import exported, running, signals
from neuro_mpc.recordings.events import COUPLED, Events
from neuro_mpc.recordings.nwb_file import opened

if TYPE_CHECKING:
    from neuro_mpc.examination.inside import Inside

APART = 2000.0


def recorded(
    path: str | os.PathLike[str],
    population: str = "",
    quantity: str = "",
    window: Sequence[float] = (0, 300),
    *,
    baseline: Sequence[float] | None = None,
    apart: float = APART,
    min_speed: float | None = None,
    quality: bool = True,
    every: bool = False,
) -> xr.DataArray:
    """Mean response of single neurons to each event of a recorded mismatch session.

    Parameters
    ----------
    path : str or path
        A file of Neurodata Without Borders with the stimulus tables of the OpenScope sessions (DANDI 001637, 001768),
        or a run that was exported. Nothing outside the file is read, and of it what is needed, by parts.
    population : str, optional
        Of sorted units the device, such as "ProbeA"; of series the processing module, such as "VISp_0". By default all
        that have the quantity; of an exported run the target.
    quantity : str, optional
        "spikes" of sorted units; "dff" or "events" of regions of interest, or the name of another series; of an
        exported run the quantities of `mismatch_responses`. By default "spikes", or "dff" where there are none; of an
        exported run "error".
    window : sequence of float, optional
        Beginning and end of the window after the onset (ms).
    baseline : sequence of float, optional
        Beginning and end of a window around the onset (ms), such as (-200, 0), whose mean is subtracted.
    apart : float, optional
        Events that follow a deviant of the same block by less than this (ms) are left out, where a block has deviants,
        and of frames of coupled flow one is kept in this time. Of an exported run all its events are taken.
    min_speed : float, optional
        Running speed (cm/s) in the half second before an event, at least, where a wheel moves the grating; None:
        whether the mouse runs or not.
    quality : bool, optional
        Leave out units with isi_violations_ratio above 0.5, amplitude_cutoff above 0.1, presence_ratio below 0.8 or
        without default_qc, of those columns that there are.
    every : bool, optional
        Take every presentation of the stimulus tables, from its beginning on, whatever preceded it: also all elements
        of sequences, the grey that ends them ("grey"), and every frame of coupled flow. For tuning curves, say;
        `mismatch` would take elements of sequences for one another.

    Returns
    -------
    xarray.DataArray
        (trial, unit), means over the window, of spikes in Hz, with the coordinates `block`, `stimulus` and
        `trial_type`, `onset_time` (s) and columns of the stimulus table, such as `Orientation` (trial,), and what
        tells units apart (unit,). A trial is an event. `mismatch` takes it as it takes runs.

    Raises
    ------
    RunFileError
        The file is no recording, refers to others, or lacks a table, a column or a series; times are not in seconds,
        directions not in radians; what should be a number is none.

    Warns
    -----
    UserWarning
        Values of some units are missing in some windows; these units are left out.

    Notes
    -----
    The grey that ends a sequence ("sequence_omission") is no event. Deviants of delays are seen, or missed, when the
    next grating comes too early, or was due: 343 ms after the end of the last one.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> responses = nm.analysis.recorded("recording.nwb", "seen", "error")
    >>> responses.dims
    ('trial', 'unit')
    >>> found = nm.analysis.mismatch(responses)
    """
    for name, ends in (("window", window), ("baseline", baseline)):
        if ends is not None and not (len(ends) == 2 and ends[0] < ends[1]):
            raise RunFileError(f"{name} = {tuple(ends)} is no window", hint=f"{name}=(0, 300), beginning and end in ms")
    with opened(Path(path)) as file:
        events = _events(file, apart / 1000, min_speed, every)
        quantity = quantity or signals.default(file)
        found = _responses(file, events.onset, population, quantity, window, quality)
        if baseline is not None:
            before = _responses(file, events.onset, population, quantity, baseline, quality)
            found = signals.Responses(found.values - before.values, found.labels)
    return _labelled(events, found, {"quantity": quantity, "population": population, "source": Path(path).name})


def _events(file: Inside, apart: float, min_speed: float | None, every: bool) -> Events:
    if exported.is_exported(file) and not every:
        return exported.of_trials(file)
    events = recorded_events.of_tables(file, every)
    coupled = np.isin(events.block, COUPLED)
    if min_speed is not None and coupled.any():
        keep = ~coupled
        keep[coupled] = running.speeds(file, events.onset[coupled]) >= min_speed
        events = events.chosen(keep)
    return events if every else recorded_events.spaced(events, apart)


def _responses(
    file: Inside, onset: np.ndarray, population: str, quantity: str, window: Sequence[float], quality: bool
) -> signals.Responses:
    starts, stops = (onset + end / 1000 for end in window)
    if quantity == signals.SPIKES:
        return signals.spike_rates(file, population, quality, starts, stops)
    return signals.series_means(file, population, quantity, starts, stops)


def _labelled(events: Events, found: signals.Responses, attributes: dict[str, str]) -> xr.DataArray:
    """Of events that were recorded, and units that were in all of them."""
    shown = np.flatnonzero(np.isfinite(found.values).any(axis=1))
    events, values = events.chosen(shown), found.values[shown]
    whole = np.asarray(np.isfinite(values).all(axis=0))
    if not whole.any():
        raise RunFileError(f"every unit of {attributes['source']} lacks values in some windows")
    if not whole.all():
        text = f"{(~whole).sum()} of {len(whole)} units of {attributes['source']} lack values in some windows"
        warnings.warn(f"{text} and are left out", stacklevel=3)
    of_trials = {
        **{name: getattr(events, name) for name in ("block", "stimulus", "trial_type")},
        "onset_time": events.onset,
        **events.columns,
    }
    coordinates = {
        **{name: ("trial", each) for name, each in of_trials.items()},
        **{name: ("unit", each[whole]) for name, each in found.labels.items()},
    }
    return xr.DataArray(values[:, whole], coordinates, ("trial", "unit"), attrs=attributes)
