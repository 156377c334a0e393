"""Commands whose work several processes share, to be disturbed: what each is told, leaves, and leads to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
from disturbed import of_sweep, unreadable

from interrupted import content  # isort: skip

from neuro_mpc.networks.program_cache import is_whole
from neuro_mpc.runfile.paths import saved_path
from neuro_mpc.sweeps.combined import FILE

SMALL = {
    "circuit.population.hidden.size": 12,
    "protocol.stimulus.letters": 8,
    "protocol.stimulus.length": 6,
    "protocol.stimulus.load": 5.0,
    "protocol.learning.batch": 10,
    "protocol.test.every": 10,
    "protocol.recording.synapses_every": 9,
    "protocol.recording.samples": [0, 50, -1],
}
# Processes that a command starts, directly or not: name → what one word of their command line ends with.
WORKERS = {"a worker": ("neuro_mpc.sweeps.worker",)}
PROGRAMS = {"a program": ("/main", "neuro_mpc.networks.worker")}
COMPILERS = {
    "the build": ("neuro_mpc.networks.build",),
    "make": ("make",),
    "a compiler": ("/cc1plus", "/as", "/collect2", "/ld", "/lto1"),
}
MARK = "NEURO_MPC_MARK"  # in the environment of everything that a command starts


def neuro_mpc(*arguments: str | Path, **settings: object) -> list[str]:
    """A command line, with settings of the small run unless others are given."""
    given = [f"--set={name}={value}" for name, value in (SMALL | settings).items()] if settings else []
    return [sys.executable, "-P", "-m", "neuro_mpc", *map(str, arguments), *given]


class Command:
    """A command that works in a folder, and may be interrupted there."""

    processes: Mapping[str, tuple[str, ...]] = {}
    compiles = False  # each time: others find their programs in the cache

    def __init__(self, workspace: Path):
        self.workspace, self.folder = workspace, workspace / "folder"
        self.cache = workspace / "cache"
        self.environment = {**os.environ, "NEURO_MPC_CACHE": str(self.cache)}
        self.prepare()

    def prepare(self) -> None:
        """What is made once."""

    def begin(self) -> None:
        """What is there before, and nothing else."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def line(self, again: bool) -> list[str]:
        """What the user types, or types again."""
        raise NotImplementedError

    def started(self, again: bool = False, variables: Mapping[str, str] | None = None) -> Started:
        return Started(self.line(again), self.folder, {**self.environment, **(variables or {})})

    def expect(self) -> None:
        """Keeps what the undisturbed command leads to."""
        self.expected = self.found()

    def found(self) -> dict[str, object]:
        """What the command leads to: file → content."""
        raise NotImplementedError

    def torn(self) -> list[str]:
        """What is wrong with the files that a disturbed command leaves."""
        raise NotImplementedError

    def left_over(self) -> list[str]:
        """Files that nobody needs once the command was given again."""
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".nc")

    def different(self) -> list[str]:
        """What is wrong once the command was given again."""
        found = self.found()
        wrong = [
            f"{name} is not that of the undisturbed command"
            for name in self.expected
            if found.get(name) != self.expected[name]
        ]
        return wrong + [f"left over: {name}" for name in self.left_over()]


class Started:
    """A command that was started, and all the processes that it has started."""

    def __init__(self, line: list[str], folder: Path, environment: dict[str, str]):
        self.mark = uuid.uuid4().hex
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "encoding": "utf-8", "errors": "replace"}
        self.process = subprocess.Popen(line, cwd=folder, env={**environment, MARK: self.mark}, **pipes)

    def ended(self, seconds: float) -> tuple[int, str]:
        """How it ended, and what it said; None and all processes killed where it takes longer."""
        try:
            _, said = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, said = self.process.communicate()
            return -1000, said
        return self.process.returncode, said

    def descendants(self, ends: tuple[str, ...]) -> list[int]:
        """Those of its processes that have a word with one of these ends among the first of their command line."""
        return [each for each in _descendants(self.process.pid) if any(word.endswith(ends) for word in _words(each))]

    def survivors(self) -> list[int]:
        """Its processes that still are there, whoever has adopted them."""
        mark = f"{MARK}={self.mark}".encode()
        return [each for each in _processes() if mark in _read(each, "environ").split(b"\0")]


def _processes() -> Iterator[int]:
    return (int(entry) for entry in os.listdir("/proc") if entry.isdecimal())


def _descendants(process: int) -> Iterator[int]:
    try:
        tasks = os.listdir(f"/proc/{process}/task")
    except OSError:
        return
    for task in tasks:
        for child in map(int, _read(process, f"task/{task}/children").split()):
            yield child
            yield from _descendants(child)


def _words(process: int) -> list[str]:
    return [os.fsdecode(word) for word in _read(process, "cmdline").split(b"\0")[:8]]


def _read(process: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:
        return b""


class Sweep(Command):
    """A sweep of three members by two workers, with compiled programs."""

    processes = {**WORKERS, **PROGRAMS}

    def line(self, again: bool) -> list[str]:
        over = ["--over=protocol.learning.rate=0.3,0.4,0.5", "--workers=2"]
        epochs = {"protocol.learning.epochs": 30}
        return neuro_mpc("sweep", "mpl", "toy-language", "--out", self.folder / "sweep", *over, **epochs)

    def found(self) -> dict[str, object]:
        paths = (self.folder / "sweep").glob("*.nc")
        return {path.name: of_sweep(path) if path.name == FILE else content(path) for path in paths}

    def torn(self) -> list[str]:
        found, folder = self.found(), self.folder / "sweep"
        members = [name for name in self.expected if name != FILE]
        wrong = [f"{name} is another one" for name in members if name in found and found[name] != self.expected[name]]
        return wrong + [
            each for name in members for each in unreadable(folder / name, saved_path(folder / name).exists())
        ]


class SharedBatch(Command):
    """A run whose batches two compiled programs share."""

    processes = PROGRAMS

    def line(self, again: bool) -> list[str]:
        options = ["--workers=2", "--checkpoint-every=0.1", *["--resume"] * again]
        epochs = {"protocol.learning.epochs": 60}
        return neuro_mpc("run", "mpl", "toy-language", "--out", self.folder / "run.nc", *options, **epochs)

    def found(self) -> dict[str, object]:
        return {path.name: content(path) for path in self.folder.glob("*.nc")}

    def torn(self) -> list[str]:
        found = self.found()
        wrong = [f"{name} is another one" for name in found if found[name] != self.expected[name]]
        out = self.folder / "run.nc"
        return wrong + unreadable(out, saved_path(out).exists())


class Compiling(SharedBatch):
    """A run whose program is not compiled yet, nor what programs have in common."""

    processes = COMPILERS
    compiles = True

    def begin(self) -> None:
        super().begin()
        for path in self.cache.glob("*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def line(self, again: bool) -> list[str]:
        options = ["--resume"] * again
        few = {"protocol.learning.presentations": 5, "protocol.recording.samples": [0]}
        return neuro_mpc("run", "mpl", "toy-language", "--out", self.folder / "run.nc", *options, **few)

    def torn(self) -> list[str]:
        programs = [path for path in self.cache.iterdir() if (path / "main").exists() and "-" not in path.name]
        broken = [path for path in programs if not is_whole(path)]
        return super().torn() + [f"the program {path.name} is broken" for path in broken]

    def left_over(self) -> list[str]:
        return super().left_over() + [path.name for path in self.cache.glob("building-*")]


class Export(Command):
    """A recording takes the place of an older one."""

    @property
    def out(self) -> Path:
        return self.folder / "run.nwb"

    def prepare(self) -> None:
        self.source, older = self.workspace / "run.nc", self.workspace / "older.nc"
        recorded = {"protocol.learning.epochs": 4, "protocol.recording.samples": list(range(16))}
        for path, seed in ((self.source, 1), (older, 2)):
            line = neuro_mpc(
                "run", "mpl", "toy-language", "--out", path, f"--seed={seed}", "--backend=numpy", **recorded
            )
            subprocess.run([*line, "--quiet"], env=self.environment, check=True)
        subprocess.run([*self._line(older, self.workspace / "older.nwb"), "--quiet"], env=self.environment, check=True)
        self.older = of_recording(self.workspace / "older.nwb")

    def begin(self) -> None:
        super().begin()
        shutil.copy(self.workspace / "older.nwb", self.out)

    def _line(self, source: Path, out: Path) -> list[str]:
        return neuro_mpc("export", source, "--to", out, "--step-duration=10", "--overwrite")

    def line(self, again: bool) -> list[str]:
        return self._line(self.source, self.out)

    def found(self) -> dict[str, object]:
        return {self.out.name: of_recording(self.out)}

    def torn(self) -> list[str]:
        if not self.out.exists() or self.found()[self.out.name] not in (self.older, self.expected[self.out.name]):
            return ["the file is neither the older nor the new one"]
        return []

    def left_over(self) -> list[str]:
        return [path.name for path in self.folder.iterdir() if path != self.out]


def of_recording(path: Path) -> dict[str, object]:
    """Everything in an NWB file but the time of its creation, and the random names of its objects."""
    found: dict[str, object] = {}

    def collect(name: str, item: h5py.Group | h5py.Dataset) -> None:
        plain = {key: str(value) for key, value in item.attrs.items() if key not in ("object_id", ".specloc")}
        found[name] = {key: value for key, value in plain.items() if "reference" not in value}
        if isinstance(item, h5py.Dataset) and name != "file_create_date" and item.dtype.kind != "O":
            found[f"{name} values"] = np.asarray(item[()]).tobytes()

    with h5py.File(path) as file:
        file.visititems(collect)
    return found


COMMANDS = {"sweep": Sweep, "shared-batch": SharedBatch, "compiling": Compiling, "export": Export}
