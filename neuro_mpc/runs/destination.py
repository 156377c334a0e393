"""Where a run is written: from the start, from a checkpoint, or not at all because it is complete."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from neuro_mpc.descriptions.recorded import without_masks
from neuro_mpc.errors import RunError, RunFileError
from neuro_mpc.examination import isolation
from neuro_mpc.runfile import checkpoint
from neuro_mpc.runfile.checkpoint import Checkpoint, Checkpoints
from neuro_mpc.runfile.differences import as_lines, differences
from neuro_mpc.runfile.lock import refuse_locked
from neuro_mpc.runfile.paths import (
    check_folder,
    partial_path,
    refuse_existing,
    refuse_links,
    refuse_other_endings,
    saved_path,
)
from neuro_mpc.runfile.reading import attributes
from neuro_mpc.runfile.record import RunFile
from neuro_mpc.runs.preparation import Preparation
from neuro_mpc.runs.provenance import OWN_ATTRIBUTES
from neuro_mpc.system import files

Stage = Callable[[str], None]


@dataclass(frozen=True)
class Destination:
    """A run file, and what happens to an earlier one; the names are those of `neuro_mpc.simulate`.

    Raises RunError where the name is that of another kind of file, the folder cannot be written, or a file exists that
    is neither to be replaced nor resumed.
    """

    path: Path
    overwrite: bool = False
    resume: bool = False
    accept_changes: bool = False
    every: float = math.inf

    def __post_init__(self) -> None:
        refuse_other_endings(self.path)
        check_folder(self.path)
        if self.overwrite and self.resume:
            raise RunError("a run cannot both start again and resume", hint="either overwrite or resume")
        if not self.every >= 0:
            raise RunError(f"checkpoints cannot be {self.every} seconds apart", hint="0 or more")
        refuse_links(self.path)
        refuse_locked(self.path)
        if not (self.overwrite or self.resume):
            refuse_existing(self.path, partial_path(self.path), self._saved)

    @property
    def _saved(self) -> Path:
        return saved_path(self.path)

    def is_complete(self, provenance: Mapping[str, str], stage: Stage) -> bool:
        """Whether this very run is complete already; RunError where the file is of another run."""
        unfinished = self._saved.exists() or partial_path(self.path).exists()
        if not self.resume or unfinished or not self.path.exists():
            return False
        before = attributes(self.path)
        if before.get("complete") != "1":
            raise RunError(
                f"{self.path} is not the file of a complete run, and there is no checkpoint to resume from",
                hint="--overwrite to run it again, or another path",
            )
        self._compare(before, provenance, f"{self.path} is complete, and of another run")
        stage(f"{self.path} is complete: there is nothing to resume")
        return True

    def latest(self, provenance: Mapping[str, str], stage: Stage) -> Checkpoint | None:
        """The checkpoint to resume from, if that is asked for and one exists; RunError where it is of another run."""
        if not self.resume:
            return None
        if self._saved.exists():
            saved = checkpoint.read(self._saved)
            self._compare(saved.origin, provenance, f"{self._saved} is of another run")
            stage(f"resuming after {saved.presentation} presentations")
            return saved
        # One that cannot be read is half written, and about to be replaced.
        if (partial := partial_path(self.path)).exists() and not isolation.trouble_elsewhere(partial):
            with suppress(RunFileError):
                self._compare(attributes(partial), provenance, f"{partial} is of another run")
        stage("no checkpoint: starting from the beginning")
        return None

    def _compare(self, before: Mapping[str, str], now: Mapping[str, str], problem: str) -> None:
        common = [name for name in now if name in before]
        changes = differences({name: before[name] for name in common}, {name: now[name] for name in common})
        if changes and not self.accept_changes:
            raise RunError(
                problem + as_lines(changes),
                hint="the settings it was started with, another path, --overwrite to start again, or "
                "--accept-changes to resume all the same",
            )

    def record(self, run: Preparation, saved: Checkpoint | None) -> RunFile:
        """The run file to write to: a new one, or the one of a checkpoint, as it was then."""
        for path in (partial_path(self.path), self._saved):
            files.discard_leftovers(path)
        provenance = run.provenance
        if saved is None:
            checkpoint.discard(self.path)
            attributes_besides = {name: text for name, text in provenance.items() if name not in OWN_ATTRIBUTES}
            return RunFile(
                self.path,
                circuit=without_masks(run.circuit),
                protocol=run.protocol,
                seed=run.seed,
                backend=run.backend,
                threads=run.plan.threads,
                workers=run.workers,
                overwrite=self.overwrite or self.resume,
                extra_attributes=attributes_besides,
            )
        saved.write_records(partial_path(self.path))
        record = RunFile.reopened(self.path, protocol=run.protocol)
        if changes := differences(saved.origin, provenance):
            record.changed(saved.presentation, changes, provenance)
        return record

    def checkpoints(self, provenance: Mapping[str, str]) -> Checkpoints:
        """The checkpoints of the run."""
        return Checkpoints(self.path, partial_path(self.path), provenance, self.every)

    def discard(self) -> None:
        """Removes the checkpoint of a run that is complete."""
        checkpoint.discard(self.path)
