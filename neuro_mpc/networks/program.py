"""How a run talks to the program that simulates: messages on the program's standard input and output.

A message is two 32-bit integers, a code and the number of a variable, followed by the variable's bytes for SET; GET
is answered by the variable's bytes.  Both sides know the variables, their numbers and sizes from the manifest.
The program is a compiled C++ standalone binary, or a Python process that runs the same network with Brian2's
runtime targets: to the run they are the same.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

import numpy as np
from numpy.typing import ArrayLike

from neuro_mpc.errors import RunError
from neuro_mpc.networks.rows import Rows, Tiling
from neuro_mpc.networks.workspace import writing_temporary_files
from neuro_mpc.system import processes

HINTS: dict[int, str] = {
    signal.SIGKILL: "where the system ended it for lack of memory, a smaller learning.batch or smaller populations",
    signal.SIGILL: "a program that was compiled for another processor is compiled again once the folder in "
    "NEURO_MPC_CACHE is removed",
}
CODES = {"END": 0, "SET": 1, "GET": 2, "STEP": 3, "FLUSH": 4}
CONTINUES = "--resume continues from the last checkpoint"
SECONDS_TO_END = 30  # for a program that no longer answers
PIPE_BYTES = 2**20  # what pipes hold where the system allows that: the data of a presentation or two
LEAST_WAITING_BYTES = 4096
"""Answers that may wait to be read while more is sent: what any pipe holds. While a pipe is full, its program reads
nothing."""
READ_AT_ONCE = 2**16  # bytes of answers that share their memory
STEP, FLUSH = (np.array([CODES[code], 0], dtype=np.int32).tobytes() for code in ("STEP", "FLUSH"))


@dataclass(frozen=True)
class Manifest:
    """The variables of a program: name → (dtype, number of elements), in the order of their numbers."""

    variables: dict[str, tuple[str, int]]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.variables))

    @classmethod
    def load(cls, path: Path) -> Manifest:
        return cls({name: (dtype, size) for name, (dtype, size) in json.loads(path.read_text()).items()})


class Answer:
    """The values of variables that a program was asked for; calling it waits for them.

    number   how often it was asked for all of them; if more than once, values have a first axis
    """

    def __init__(self, names: Sequence[str], wait: Callable[[Answer], None], number: int = 1):
        self.names, self._wait, self.number = tuple(names), wait, number
        self.values: list[np.ndarray] | None = None

    def __call__(self) -> list[np.ndarray]:
        if self.values is None:
            self._wait(self)
        assert self.values is not None
        return self.values


class Program:
    """A running simulation: variables are set and read by name, a step is one presentation.

    Raises RunError when the program ends before its time.

    shares          programs that share the trials of a presentation, of which this stands for all
    called          what errors call it
    waiting_bytes   of answers that may wait to be read while more is sent
    tells_together  whether it can be told of several presentations at once
    """

    shares, waiting_bytes, tells_together = 1, LEAST_WAITING_BYTES, True
    called = "the simulation program"

    def __init__(
        self,
        command: list[str],
        manifest: Manifest,
        tiling: Tiling,
        rows: Mapping[str, Rows],
        log: Path,
        environment: dict[str, str],
    ):
        self.tiling, self.rows, self.log = tiling, rows, log
        self._asked: deque[Answer] = deque()
        self._know(manifest)
        with writing_temporary_files():
            self._errors = log.open("wb")
        try:
            self._process = processes.Child(
                command,
                folder=log.parent,
                environment=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
            )
        except processes.StartError as error:
            self._errors.close()
            raise RunError(f"the simulation program does not start: {error.strerror}", hint=error.hint) from error
        except OSError as error:
            self._errors.close()
            raise RunError(
                f"the simulation program does not start: {error}",
                hint="NEURO_MPC_CACHE may be on a disk from which nothing can be executed: set it to another "
                "folder; --backend numpy needs no compiler",
            ) from error
        self._input = cast(BinaryIO, self._process.stdin)
        self._output = cast(BufferedReader, self._process.stdout)
        _widened(self._input)
        # Answers that are sent in parts may leave pages half full.
        self.waiting_bytes = max(LEAST_WAITING_BYTES, _widened(self._output) // 2)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _know(self, manifest: Manifest) -> None:
        self.manifest = manifest
        codes = ("SET", "GET")
        self._messages = {
            (code, name): np.array([CODES[code], number], dtype=np.int32).tobytes()
            for number, name in enumerate(manifest.variables)
            for code in codes
        }

    def message(self, code: str, name: str) -> bytes:
        """A message that sets or asks for a variable, but for the bytes of its value."""
        return self._messages[code, name]

    def wait_until_ready(self, manifest: Path) -> None:
        """Wait for a program that prepares itself, and read the manifest that it leaves."""
        if self._output.readline() != b"ready\n":
            self._died()
        with writing_temporary_files():
            self._know(Manifest.load(manifest))

    def set(self, **values: ArrayLike) -> None:
        """Set variables, each from a number or from an array of its size."""
        parts = []
        for name, value in values.items():
            dtype, size = self.manifest.variables[name]
            data = np.asarray(value, dtype)
            if data.ndim and data.size != size:
                raise ValueError(f"{name} has {size} elements, not {data.size}")
            of_all = np.ascontiguousarray(data).data if data.ndim else data.tobytes() * size
            parts += self._messages["SET", name], of_all
        self._write(parts)

    def get(self, *names: str) -> list[np.ndarray]:
        """The values of variables, each one-dimensional."""
        return self.ask(*names)()

    def ask(self, *names: str) -> Answer:
        """As `get`, without waiting: more may be sent before the answer is read."""
        self._write([self._messages["GET", name] for name in names])
        self._asked.append(Answer(names, self._wait_for))
        return self._asked[-1]

    def answers_ahead(self, *names: str) -> int:
        """How many answers of these variables may wait to be read."""
        sizes = (np.dtype(dtype).itemsize * size for dtype, size in (self.manifest.variables[name] for name in names))
        return max(1, self.waiting_bytes // sum(sizes))

    def _wait_for(self, answer: Answer) -> None:
        """Read answers in the order in which they were asked for, up to this one."""
        self._write([FLUSH])
        self.flush()
        while answer.values is None:
            first = self._asked.popleft()
            variables = [self.manifest.variables[name] for name in first.names]
            first.values = (
                self._read_each(variables) if first.number == 1 else self._read_together(variables, first.number)
            )

    def _read_each(self, variables: Sequence[tuple[str, int]]) -> list[np.ndarray]:
        """The values of variables that follow each other; small ones are read at once, large ones without a copy."""
        sizes = [np.dtype(dtype).itemsize * size for dtype, size in variables]
        if (total := sum(sizes)) > READ_AT_ONCE:
            return [self._read(size).view(dtype) for size, (dtype, _) in zip(sizes, variables, strict=True)]
        data, ends = self._read(total), accumulate(sizes)
        return [data[end - size : end].view(dtype) for end, size, (dtype, _) in zip(ends, sizes, variables)]

    def _read_together(self, variables: Sequence[tuple[str, int]], number: int) -> list[np.ndarray]:
        """The values (number, element) of variables that follow each other, a number of times."""
        ends = np.cumsum([np.dtype(dtype).itemsize * size for dtype, size in variables])
        rows = self._read(number * int(ends[-1])).reshape(number, -1)
        parts = np.split(rows, ends[:-1], axis=1)
        return [np.ascontiguousarray(part).view(dtype) for part, (dtype, _) in zip(parts, variables, strict=True)]

    def ask_together(self, messages: np.ndarray, names: Sequence[str], number: int) -> Answer:
        """Hand on messages, bytes, that ask for these variables a number of times."""
        self._write([messages.data])
        self._asked.append(Answer(names, self._wait_for, number))
        return self._asked[-1]

    def _read(self, size: int) -> np.ndarray:
        """So many bytes of its answers."""
        data = bytearray(size)
        try:
            complete = self._output.readinto(data) == size
        except OSError as problem:
            self._died(problem)
        if not complete:
            self._died()
        return np.frombuffer(data, np.uint8)

    def set_rows(self, population: str, name: str, values: np.ndarray, history: ArrayLike = 0) -> None:
        """Set a population's variable from (step, trial, unit), and the steps before from `history`."""
        self._fill(name, self._in_tiles(self.rows[population], values, history))

    def _in_tiles(self, rows: Rows, values: np.ndarray, history: ArrayLike) -> Iterator[np.ndarray]:
        """The parts of a population's variable, in the order in which they lie in memory."""
        shape = self.tiling.trials, rows.units
        before = [_of_shape(history, (rows.history, *shape))] if rows.history else []
        parts = [*before, _of_shape(values, (rows.steps, *shape))]
        for first, width in self.tiling.tiles:
            for part in parts:
                yield part[:, first : first + width]

    def _fill(self, name: str, parts: Iterable[np.ndarray]) -> None:
        """Set a variable from parts that follow each other, none of which is copied but to be of its kind."""
        dtype = self.manifest.variables[name][0]
        self._write([self._messages["SET", name]])
        self._write(np.ascontiguousarray(part, dtype).data for part in parts)

    def get_rows(self, population: str, name: str, with_history: bool = False) -> np.ndarray:
        """A population's variable as (step, trial, unit); `with_history`, from the steps before the first one on."""
        return self.ask_rows(population, name, with_history)()

    def ask_rows(self, population: str, name: str, with_history: bool = False) -> Callable[[], np.ndarray]:
        """As `get_rows`, without waiting: more may be sent before the answer is read."""
        answer = self.ask(name)
        return lambda: self.laid_out(self.rows[population], answer()[0], with_history)

    def laid_out(self, rows: Rows, flat: np.ndarray, with_history: bool = False) -> np.ndarray:
        """(…, step, trial, unit) of a variable (…, element) as it lies in memory."""
        blocks, depth = [], rows.history + rows.steps
        start = 0 if with_history else rows.history
        for first, width in self.tiling.tiles:
            block = flat[..., first * depth * rows.units : (first + width) * depth * rows.units]
            blocks.append(block.reshape(*flat.shape[:-1], depth, width, rows.units)[..., start:, :, :])
        return np.concatenate(blocks, axis=-2)

    def relay(self, messages: bytes, expected: int) -> bytes:
        """Hand on messages that another program of this kind was told, and return so many bytes of its answers."""
        self._write([messages, FLUSH])
        self.flush()
        return self._read(expected).tobytes()

    def step(self) -> None:
        """Run one presentation, with the next `get` at the latest, which waits for it."""
        self._write([STEP])

    def add_up(self, names: Sequence[str]) -> None:
        """Let variables hold their sums over all programs that share the trials."""

    def close(self) -> None:
        """End the program."""
        self._process.end()
        for file in (self._input, self._output, self._errors):
            with contextlib.suppress(OSError):
                file.close()

    def _write(self, parts: Iterable[bytes | memoryview]) -> None:
        try:
            self._input.writelines(parts)
        except OSError as problem:
            self._died(problem)

    def flush(self) -> None:
        """Let the program begin with what it was told, without waiting for it."""
        try:
            self._input.flush()
        except OSError as problem:
            self._died(problem)

    def log_lines(self) -> list[str]:
        """What it has written to its log; nothing where that cannot be read: how it ended is told all the same."""
        try:
            return self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return []

    def _died(self, problem: OSError | None = None) -> NoReturn:
        try:
            code = self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.end()
            reason = problem.strerror if problem else "it closed its output"
            raise RunError(f"{self.called} cannot be reached: {reason}", hint=CONTINUES) from problem
        lines = self.log_lines()[-15:]
        end = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        hint = HINTS.get(-code, "--backend numpy needs no compiler")
        raise RunError(
            f"{self.called} {end}" + "".join(f"\n    {line}" for line in lines),
            hint=f"{hint}; {CONTINUES}",
        )


def _of_shape(values: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    return values if isinstance(values, np.ndarray) and values.shape == shape else np.broadcast_to(values, shape)


def _widened(pipe: BinaryIO) -> int:
    """What a pipe holds, after it has been asked to hold more; 0 where the system does not tell."""
    try:
        import fcntl

        get, set_ = fcntl.F_GETPIPE_SZ, fcntl.F_SETPIPE_SZ
    except (ImportError, AttributeError):  # elsewhere than on Linux
        return 0
    with contextlib.suppress(OSError):  # more than a user may have
        fcntl.fcntl(pipe.fileno(), set_, PIPE_BYTES)
    with contextlib.suppress(OSError):
        return fcntl.fcntl(pipe.fileno(), get)
    return 0
