"""Errors of the package: every one says where, what was found, what was expected and what to try."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from neuro_mpc.spelling import fields_of_python, spelled

SHOWN_IN_FULL = 3
LONGEST_VALUE = 100


class NeuroMPCError(Exception):
    """Base of all errors that a user can mend; the command line prints them without a traceback."""


class DescriptionError(NeuroMPCError):
    """A circuit, a protocol or the data it names is not as it has to be.

    problem   what is wrong, one line
    source    file (or other origin) of the description
    key       dotted path of the offending entry, e.g. ``projection.recurrent.to``
    found     the offending value; None: not shown
    expected  what would be accepted
    hint      what to try
    """

    def __init__(
        self,
        problem: str,
        *,
        source: str = "",
        key: str = "",
        found: object = None,
        expected: str = "",
        hint: str = "",
    ):
        super().__init__(problem)
        self.problem, self.source, self.key = problem, source, key
        self.found, self.expected, self.hint = found, expected, hint
        self.problems: tuple[DescriptionError, ...] = (self,)

    @classmethod
    def collect(cls, problems: Sequence[DescriptionError], source: str = "") -> DescriptionError:
        """One error for all `problems` of a file: the first ones in full, the others by a line each."""
        for problem in problems:
            problem.source = problem.source or source
        if len(problems) == 1:
            return problems[0]
        error = cls(f"{len(problems)} problems", source=problems[0].source)
        error.problems = tuple(problems)
        return error

    def details(self) -> str:
        """The error without its source."""
        key = self.key if self.source else fields_of_python(self.key)  # without a source, it was made in Python
        lines = [": ".join(part for part in (key, self.problem) if part)]
        if self.found is not None:
            lines.append(f"found: {_shortened(self.found)}")
        lines += [f"expected: {self.expected}"] * bool(self.expected) + [f"try: {self.hint}"] * bool(self.hint)
        return "\n  ".join(lines)

    def __str__(self) -> str:
        where = f"{self.source}: " if self.source else ""
        if self.problems == (self,):
            return spelled(where + self.details())
        full = [problem.details() for problem in self.problems[:SHOWN_IN_FULL]]
        brief = [problem.details().splitlines()[0] for problem in self.problems[SHOWN_IN_FULL:]]
        return spelled("\n".join([where + self.problem, *full, *brief]))


class _AdvisedError(NeuroMPCError):
    """An error of one line and, where there is one, a hint."""

    def __init__(self, problem: str, *, hint: str = ""):
        super().__init__(problem)
        self.problem, self.hint = problem, hint

    def __str__(self) -> str:
        return spelled(self.problem + (f"\n  try: {self.hint}" if self.hint else ""))


class RunError(_AdvisedError):
    """A run cannot start or go on: it diverged, its file exists, a directory cannot be written."""


class RunFileError(_AdvisedError):
    """A run file is missing, unreadable, or lacks what is asked of it."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """ "did you mean 'hidden'?" with the known name nearest to `name`, or "" where none is near."""
    folded = {candidate.lower(): candidate for candidate in known}
    near = get_close_matches(str(name).lower(), folded, n=1, cutoff=0.55)
    return f"did you mean {folded[near[0]]!r}?" if near else ""


def _shortened(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python prints no integers of thousands of digits
        text = f"{type(value).__name__} with thousands of digits"
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
