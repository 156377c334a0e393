"""What became of a run or a sweep, in one line and as data."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_mpc.runs.progress import measured
from neuro_mpc.runs.quantities import duration

if TYPE_CHECKING:
    from xarray import Dataset

    from neuro_mpc.runfile.finished import Finished


def outcome(out: Path, finished: "Finished", seconds: float) -> dict[str, Any]:
    """File, seconds and warnings of a run, and what it measured: the presentations and the final measure of a training,
    the kind of an experiment and the run it started from."""
    told = {"files": [out], "seconds": seconds, "warnings": list(finished.warnings)}
    if finished.experiment:
        return {**told, "experiment": finished.experiment, "start": finished.start}
    return {**told, "presentations": finished.presentations, "measures": finished.measures}


def summary(out: Path, finished: "Finished", seconds: float) -> str:
    """A run in one line: `run.nc: 125 presentations in 3.2 s, correct letter ratio 1.000`.

    The measure is that of the evaluation after learning, or of the last test.
    """
    told = outcome(out, finished, seconds)
    if "experiment" in told:
        return f"{out}: {told['experiment']} on {told['start']} in {duration(seconds)}"
    number = told["presentations"]
    learned = f"{out}: {number} presentation{'' if number == 1 else 's'} in {duration(seconds)}"
    line = f"{learned}, {measured(told['measures'])}" if told["measures"] else learned
    return "\nwarning: ".join([line, *told["warnings"]])


def incomplete(members: "Dataset") -> list[dict[str, str]]:
    """File and error of each member of a sweep that did not complete."""
    chosen = members["complete"].values.ravel() == 0
    files, errors = (members[name].values.ravel()[chosen] for name in ("file", "error"))
    return [{"file": str(file), "error": str(error)} for file, error in zip(files, errors)]
