"""Runs that were exported as recordings: their table of trials says what was compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuro_mpc.recordings.events import FOLDER, Events
from neuro_mpc.recordings.tables import Table

if TYPE_CHECKING:
    from neuro_mpc.examination.inside import Inside

TRIALS = f"{FOLDER}/trials"
COLUMNS = ("block", "stimulus", "trial_type", "onset_time")
OUTPUT = "output"
"""The series that only targets have."""


def is_exported(file: Inside) -> bool:
    return set(COLUMNS) <= set(file.names(TRIALS))


def of_trials(file: Inside) -> Events:
    """One event a trial."""
    table = Table(file, TRIALS, "start_time")
    block, stimulus, trial_type = (table.texts(name) for name in COLUMNS[:3])
    onset = table.numbers("onset_time")
    return Events(block, stimulus, trial_type, onset, {})


def targets(file: Inside) -> list[str]:
    """Populations that are targets."""
    return [name for name in file.names("processing") if file.has(f"processing/{name}/{OUTPUT}/data")]
