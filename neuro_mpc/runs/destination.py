"""Where a run is kept: beginning, going on, or nothing left to do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from neuro_mpc import files
from neuro_mpc.errors import RunError, RunFileError
from neuro_mpc.runfile import checkpoint
from neuro_mpc.runfile.checkpoint import Checkpoint, Checkpoints
from neuro_mpc.runfile.lock import refuse_locked
from neuro_mpc.runfile.paths import check_folder, partial_path, refuse_existing, refuse_links, saved_path
from neuro_mpc.runfile.reading import attributes
from neuro_mpc.runfile.record import RunFile
from neuro_mpc.runs.preparation import Preparation
from neuro_mpc.runs.provenance import DESCRIBED_ANYWAY, differences, shown

Stage = Callable[[str], None]


@dataclass(frozen=True)
class Destination:
    """A run file and what is to be done with what is there; the names are those of `neuro_mpc.simulate`.

    Raises RunError where the folder cannot be written, or something is there and neither is asked for.
    """

    path: Path
    overwrite: bool = False
    resume: bool = False
    accept_changes: bool = False
    every: float = math.inf

    def __post_init__(self) -> None:
        check_folder(self.path)
        if self.overwrite and self.resume:
            raise RunError("a run cannot both begin anew and go on", hint="either overwrite or resume")
        if not self.every >= 0:
            raise RunError(f"checkpoints cannot be {self.every} seconds apart", hint="0 or more")
        refuse_links(self.path)
        refuse_locked(self.path)
        if not (self.overwrite or self.resume):
            refuse_existing(self.path, partial_path(self.path), self._saved)

    @property
    def _saved(self) -> Path:
        return saved_path(self.path)

    def is_complete(self, started: Mapping[str, str], stage: Stage) -> bool:
        """Whether this very run is over already; RunError where another run has the name."""
        unfinished = self._saved.exists() or partial_path(self.path).exists()
        if not self.resume or unfinished or not self.path.exists():
            return False
        before = attributes(self.path)
        if before.get("complete") != "1":
            raise RunError(
                f"{self.path} is not the file of a complete run, and there is no checkpoint to resume from",
                hint="--overwrite to run it again, or another path",
            )
        self._compare(before, started, f"{self.path} is complete, and of another run")
        stage(f"{self.path} is complete: there is nothing to go on with")
        return True

    def latest(self, started: Mapping[str, str], stage: Stage) -> Checkpoint | None:
        """The checkpoint to go on from, if that is asked for and there is one; RunError where it is of another run."""
        if not self.resume:
            return None
        if self._saved.exists():
            found = checkpoint.read(self._saved)
            self._compare(found.origin, started, f"{self._saved} is of another run")
            stage(f"going on after {found.presentation} presentations")
            return found
        if (partial := partial_path(self.path)).exists():
            with suppress(RunFileError):  # half written, and about to be replaced
                self._compare(attributes(partial), started, f"{partial} is of another run")
        stage("no checkpoint: beginning anew")
        return None

    def _compare(self, before: Mapping[str, str], now: Mapping[str, str], problem: str) -> None:
        both = [name for name in now if name in before]
        found = differences({name: before[name] for name in both}, {name: now[name] for name in both})
        if found and not self.accept_changes:
            raise RunError(
                problem + shown(found),
                hint="the settings it was started with, another path, --overwrite to begin anew, or "
                "--accept-changes to go on all the same",
            )

    def record(self, run: Preparation, saved: Checkpoint | None) -> RunFile:
        """The run file to write to: a new one, or as it was at a checkpoint."""
        for path in (partial_path(self.path), self._saved):
            files.discard_leftovers(path)
        started = run.provenance
        if saved is None:
            checkpoint.discard(self.path)
            more = {name: text for name, text in started.items() if name not in DESCRIBED_ANYWAY}
            return RunFile(
                self.path,
                circuit=run.circuit,
                protocol=run.protocol,
                seed=run.seed,
                backend=run.backend,
                threads=run.plan.threads,
                overwrite=self.overwrite or self.resume,
                extra_attributes=more,
            )
        saved.write_records(partial_path(self.path))
        record = RunFile.reopened(self.path, protocol=run.protocol)
        if changes := differences(saved.origin, started):
            record.changed(saved.presentation, changes, started)
        return record

    def checkpoints(self, started: Mapping[str, str]) -> Checkpoints:
        """Where the run is to be saved."""
        return Checkpoints(self.path, partial_path(self.path), started, self.every)

    def discard(self) -> None:
        """Removes the checkpoint of a run that is complete."""
        checkpoint.discard(self.path)
