"""Presentations of which a program is told at once: single trials take less time than a message for each."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from numpy.typing import ArrayLike

from neuro_mpc.networks.program import STEP, Program


class Together:
    """A number of presentations, told to a program as one would be.

    What is set is the same in all of them or has a first axis, along which each has its own. Rows have the trials of
    the first presentation, then those of the next ones, and answers a first axis; both are read later.
    """

    shares = 1

    def __init__(self, program: Program, number: int):
        self.program, self.number = program, number
        self.manifest, self.rows, self.tiling = program.manifest, program.rows, program.tiling
        self._told: list[np.ndarray] = []  # bytes, a row for each presentation
        self._names: list[str] = []
        self._answer: Callable[[], list[np.ndarray]] | None = None

    def set(self, **values: ArrayLike) -> None:
        for name, value in values.items():
            dtype, size = self.manifest.variables[name]
            own = np.asarray(value, dtype)
            own = own if own.ndim == 0 else own.reshape(self.number, -1)
            self._tell(self.program.message("SET", name), np.broadcast_to(own, (self.number, size)))

    def set_rows(self, population: str, name: str, values: np.ndarray, history: ArrayLike = 0) -> None:
        self._tell(self.program.message("SET", name))
        rows, dtype, trials = self.rows[population], self.manifest.variables[name][0], self.tiling.trials
        before = np.broadcast_to(history, (rows.history, self.number * trials, rows.units))
        steps = np.broadcast_to(values, (rows.steps, self.number * trials, rows.units))
        own = [
            part.reshape(len(part), self.number, trials, rows.units).swapaxes(0, 1).astype(dtype, copy=False)
            for part in (before, steps)
        ]
        for first, width in self.tiling.tiles:
            for part in own:
                self._tell(b"", part[:, :, first : first + width])

    def step(self) -> None:
        self._tell(STEP)

    def ask(self, *names: str) -> Callable[[], list[np.ndarray]]:
        """The values of variables, (presentation, element) each."""
        first = len(self._names)
        self._names += names
        self._tell(b"".join(self.program.message("GET", name) for name in names))
        return lambda: self._values()[first : first + len(names)]

    def ask_rows(self, population: str, name: str) -> Callable[[], np.ndarray]:
        """A population's variable as (step, trial, unit), of all presentations."""
        answer, rows = self.ask(name), self.rows[population]

        def of_all() -> np.ndarray:
            of_each = self.program.laid_out(rows, answer()[0])
            return of_each.swapaxes(0, 1).reshape(rows.steps, -1, rows.units)

        return of_all

    def send(self) -> None:
        """Tell the program."""
        messages = np.ascontiguousarray(np.concatenate(self._told, axis=1))
        self._answer = self.program.ask_together(messages, self._names, self.number)
        self._told.clear()

    def _values(self) -> list[np.ndarray]:
        assert self._answer is not None  # told before it is asked
        return self._answer()

    def _tell(self, message: bytes, values: np.ndarray | None = None) -> None:
        if message:
            self._told.append(np.broadcast_to(np.frombuffer(message, np.uint8), (self.number, len(message))))
        if values is not None:
            self._told.append(np.ascontiguousarray(values).reshape(self.number, prod(values.shape[1:])).view(np.uint8))
