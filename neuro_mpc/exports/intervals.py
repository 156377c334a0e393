"""What was shown when, in the tables of NWB: trials, and the presentations of each block of a mismatch session."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from neuro_mpc.analysis.experiments import experiment
from neuro_mpc.exports.shown import presentations_learned
from neuro_mpc.exports.timeline import Axis
from neuro_mpc.recordings.blocks import LABELS
from neuro_mpc.runfile import access

Columns = dict[str, tuple[np.ndarray, str]]
"""Name → values, one a row, and what they are."""

COLUMNS = {
    "Orientation": "direction of the grating (radians)",
    "SpatialFrequency": "cycles per degree",
    "TemporalFrequency": "of the drift (Hz); 0 where it stands still, or a wheel moves it",
    "contrast": "1; 0 of an omission, and of the grey that ends a sequence",
    "phase": "of the grating at the onset (radians)",
    "Duration": "of the presentation, before it is rounded to steps (s)",
    "Delay": "of the grey after it, before it is rounded to steps (s)",
    "TrialType": "standard, or what is unusual; sequence_omission is the grey that ends a sequence, no omission",
    "BlockType": "kind of the block",
    "BlockNumber": "place of the block in the session, from 1 on",
    "TrialNumber": "place of the presentation in its block, from 1 on",
    "SequenceNumber": "place of the sequence in its block, from 1 on",
    "TrialInSequence": "place of the presentation in its sequence, from 1 on",
}
"""Columns that a run has, and what NWB says of them."""
FULL_FIELD = {
    "DiameterX": (360.0, "of the grating, which fills the field of view (degrees)"),
    "DiameterY": (360.0, "of the grating, which fills the field of view (degrees)"),
    "X": (0.0, "centre of the grating (degrees)"),
    "Y": (0.0, "centre of the grating (degrees)"),
}
"""Columns that are the same in all rows."""
EXPLAINED = {
    "block": "context or control block",
    "stimulus": "what is seen or missed, by the same name in all blocks",
    "trial_type": "TrialType of the presentation that is compared",
}


def presentations(run: xr.DataTree, axis: Axis) -> Iterator[tuple[str, str, Columns]]:
    """Name, description and columns of a table for each block; none of a run that showed no mismatch session."""
    rows = presentations_learned(run) if access.group(run, "experiment") is None else experiment(run)
    if rows is None or "presentation_trial" not in rows:
        return
    start = axis.seconds(rows["presentation_trial"].values, rows["start_step"].values)
    stop = axis.seconds(rows["presentation_trial"].values, rows["stop_step"].values)
    for block_type in dict.fromkeys(rows["BlockType"].values.tolist()):
        chosen = np.flatnonzero(rows["BlockType"].values == block_type)
        chosen = chosen[np.argsort(start[chosen], kind="stable")]
        label = LABELS.get(block_type, block_type)
        number = rows["BlockNumber"].values[chosen].astype(int)
        names = ("Grating", block_type)
        texts = {
            name: (np.full(len(chosen), text), what)
            for name, text, what in zip(
                ("stim_name", "stim_type", "BlockLabel"),
                (*names, label),
                ("what is shown", "kind of the block", "name of the block"),
                strict=True,
            )
        }
        yield (
            f"{label}_presentations",
            f"presentations of {label}",
            {
                "start_time": (start[chosen], ""),
                "stop_time": (stop[chosen], ""),
                **texts,
                "stim_block": (number, "place of the block in the session, from 1 on"),
                **{name: (rows[name].values[chosen], COLUMNS[name]) for name in COLUMNS if name in rows},
                **{name: (np.full(len(chosen), value), what) for name, (value, what) in FULL_FIELD.items()},
                "stim_index": (chosen, "place of the presentation among all of the session, from 0 on"),
            },
        )


def trials(run: xr.DataTree, axis: Axis) -> Columns:
    """One row a trial, of all samples."""
    number = np.arange(axis.samples * axis.trials)
    start, stop = axis.seconds(number, 0), axis.seconds(number, axis.steps)
    times = {"start_time": (start, ""), "stop_time": (stop, "")}
    if access.group(run, "experiment") is None:
        return {**times, **_of_samples(run, axis)}
    results = experiment(run)
    named = {
        name: (results[name].values, what)
        for name, what in EXPLAINED.items()
        if name in results and results[name].dims == ("trial",)
    }
    if "onset" in results and results["onset"].dims == ("trial",):
        onset = axis.seconds(number, results["onset"].values)
        named["onset_time"] = (onset, "when the stimulus is seen, or when it is missed (s)")
    return {**times, **named}


def _of_samples(run: xr.DataTree, axis: Axis) -> Columns:
    """Which trial of the data set was presented, and in which presentation of learning."""
    stimulus = access.group(run, "stimulus")
    number = None if stimulus is None else stimulus.dataset.get("trial_number")
    if stimulus is None or number is None or number.shape != (axis.samples, axis.trials):
        return {}
    presentation = np.repeat(np.asarray(access.variable(stimulus, "presentation")), axis.trials)
    return {
        "trial_number": (number.values.ravel().astype(int), "number of the trial in the data set"),
        "presentation": (presentation.astype(int), "number of presentations that were learned before"),
    }
