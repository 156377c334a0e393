"""Several programs that share the trials of a presentation, set and read by name like one.

Each has an equal part of the trials, in order, and all synapses. Noise is a function of the trial's place in the whole
presentation; the sums of plasticity are added in the order of the programs, and each makes the same update of them: no
number but for the last bits of those sums depends on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
from numpy.typing import ArrayLike

from neuro_mpc.networks.layout import is_of_trials
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.program import Answer, Manifest, Program

WORTH_A_THREAD = 2**20
"""Bytes of sums from which on a thread copies them for each program: fewer are copied sooner than handed over."""


class SharedProgram(Program):
    """Programs of a plan (`Plan.shared`) as one whose presentations have the trials of all of them.

    resources   what is closed with it: the programs, and what they need
    """

    tells_together = False  # what they have summed up is added between two steps of a presentation

    def __init__(self, programs: Sequence[Program], plan: Plan, resources: ExitStack):
        self._resources = resources
        self.programs, self._trials = tuple(programs), plan.trials
        self.shares, self.rows = len(self.programs), self.programs[0].rows
        self._is_of_trials = is_of_trials(plan)
        self._threads = ThreadPoolExecutor(self.shares)
        self.manifest = Manifest(
            {
                name: (dtype, size * self.shares if self._is_of_trials(name) else size)
                for name, (dtype, size) in self.programs[0].manifest.variables.items()
            }
        )
        for number, program in enumerate(self.programs):
            program.called += f" (worker {number + 1} of {self.shares})"
            program.set(first_trial=number * self._trials)

    def set(self, **values: ArrayLike) -> None:
        for name, value in values.items():
            for program, part in zip(self.programs, self._parts(name, value), strict=True):
                program.set(**{name: part})

    def _parts(self, name: str, value: ArrayLike) -> Sequence[ArrayLike]:
        """What each program is given of the value of a variable."""
        if name == "idle_trials":  # the last ones of the presentation
            later = reversed(range(0, self.shares * self._trials, self._trials))
            return [np.clip(np.subtract(value, trials), 0, self._trials) for trials in later]
        if np.ndim(value) and self._is_of_trials(name):
            return np.split(np.ravel(value), self.shares)
        return [value] * self.shares

    def ask(self, *names: str) -> Answer:
        of_trials = [name for name in names if self._is_of_trials(name)]
        first = self.programs[0].ask(*names)
        others = [program.ask(*of_trials) for program in self.programs[1:]] if of_trials else []
        self.flush()  # all of them work while one is waited for

        def wait(answer: Answer) -> None:
            parts = [dict(zip(of_trials, other(), strict=True)) for other in others]
            answer.values = [
                np.concatenate([value, *(part[name] for part in parts)]) if name in of_trials else value
                for name, value in zip(names, first(), strict=True)
            ]

        return Answer(names, wait)

    def answers_ahead(self, *names: str) -> int:
        return self.programs[0].answers_ahead(*names)

    def set_rows(self, population: str, name: str, values: np.ndarray, history: ArrayLike = 0) -> None:
        for number, program in enumerate(self.programs):
            own = slice(number * self._trials, (number + 1) * self._trials)
            before = np.asarray(history)
            program.set_rows(population, name, values[:, own], before[:, own] if before.ndim else before)

    def ask_rows(self, population: str, name: str, with_history: bool = False) -> Callable[[], np.ndarray]:
        parts = [program.ask_rows(population, name, with_history) for program in self.programs]
        self.flush()  # all of them work while one is waited for
        return lambda: np.concatenate([part() for part in parts], axis=1)

    def step(self) -> None:
        for program in self.programs:
            program.step()

    def flush(self) -> None:
        for program in self.programs:
            program.flush()

    def add_up(self, names: Sequence[str]) -> None:
        answers = [program.ask(*names) for program in self.programs]
        self.flush()
        size = sum(np.dtype(dtype).itemsize * count for dtype, count in map(self.manifest.variables.__getitem__, names))
        at_once = self._threads.map if size > WORTH_A_THREAD else map
        totals, *others = at_once(Answer.__call__, answers)
        for values in others:
            for total, value in zip(totals, values, strict=True):
                total += value
        sums = dict(zip(names, totals, strict=True))
        list(at_once(lambda program: program.set(**sums), self.programs))

    def close(self) -> None:
        self._resources.close()
        self._threads.shutdown()
