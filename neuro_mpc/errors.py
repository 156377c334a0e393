"""Errors of the package: every one says where, what was found, what was expected and what to try."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from neuro_mpc.spelling import fields_of_python, spelled, words_of_python

SHOWN_IN_FULL = 3
LONGEST_VALUE = 100
MOST_NAMES = 1000
"""Files of a folder that are looked at for one with a similar name."""


class NeuroMPCError(Exception):
    """Base of all errors that a user can mend; the command line prints them without a traceback.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> try:
    ...     nm.open_run("lost.nc")
    ... except nm.NeuroMPCError as error:
    ...     print(type(error).__name__)
    RunFileError
    """


class DescriptionError(NeuroMPCError):
    """An error of a circuit, a protocol or the data that it names.

    Parameters
    ----------
    problem : str
        What is wrong, in one line.
    source : str, optional
        File, or other origin, of the description.
    key : str, optional
        Dotted path of the offending entry, such as ``projection.recurrent.to``.
    found : object, optional
        The offending value; None: not shown.
    expected : str, optional
        What would be accepted.
    hint : str, optional
        What to try.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> try:
    ...     nm.load_circuit("mpl", {"population.hidden.sise": 50})
    ... except nm.DescriptionError as error:
    ...     print(error.hint)
    did you mean 'size'?
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
        """One error for all problems of a file.

        Parameters
        ----------
        problems : sequence of DescriptionError
            One or more.
        source : str, optional
            The file, for those that name none.

        Returns
        -------
        DescriptionError
            Shows the first problems in full, the others in a line each; a single problem is returned itself.
        """
        for problem in problems:
            problem.source = problem.source or source
        if len(problems) == 1:
            return problems[0]
        error = cls(f"{len(problems)} problems", source=problems[0].source)
        error.problems = tuple(problems)
        return error

    def details(self) -> str:
        """The error without its source.

        Returns
        -------
        str
            Key, problem, what was found, what was expected and what to try, a line each.
        """
        in_python = not self.source  # what has no file was made in Python
        key = fields_of_python(self.key) if in_python else self.key
        words = words_of_python if in_python else str
        lines = [": ".join(part for part in (key, self.problem) if part)]
        if self.found is not None:
            lines.append(f"found: {_shortened(self.found)}")
        if self.expected:
            lines.append(f"expected: {words(self.expected)}")
        if self.hint:
            lines.append(f"try: {words(self.hint)}")
        return "\n  ".join(lines)

    def __str__(self) -> str:
        prefix = f"{self.source}: " if self.source else ""
        if self.problems == (self,):
            return spelled(prefix + self.details())
        full = [problem.details() for problem in self.problems[:SHOWN_IN_FULL]]
        brief = [problem.details().splitlines()[0] for problem in self.problems[SHOWN_IN_FULL:]]
        return spelled("\n".join([prefix + self.problem, *full, *brief]))


class _AdvisedError(NeuroMPCError):
    """An error of one line and, where there is one, a hint."""

    def __init__(self, problem: str, *, hint: str = ""):
        super().__init__(problem)
        self.problem, self.hint = problem, hint

    def __str__(self) -> str:
        return spelled(self.problem + (f"\n  try: {self.hint}" if self.hint else ""))


class RunError(_AdvisedError):
    """A run cannot start or continue: it diverged, its file exists, a directory cannot be written.

    Parameters
    ----------
    problem : str
        What is wrong, in one line.
    hint : str, optional
        What to try.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> try:
    ...     nm.generate("run.nc", length=0)
    ... except nm.RunError as error:
    ...     print(error.hint)
    1 or more, 0 or more
    """


class RunFileError(_AdvisedError):
    """A run file is missing, unreadable, or lacks what is asked of it.

    Parameters
    ----------
    problem : str
        What is wrong, in one line.
    hint : str, optional
        What to try.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> try:
    ...     nm.analysis.weights(nm.open_run("run.nc"), "recurent")
    ... except nm.RunFileError as error:
    ...     print(error.hint)
    did you mean 'recurrent'?
    """


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """ "did you mean 'hidden'?" with the known name nearest to `name`, or "" where none is near."""
    folded = {candidate.lower(): candidate for candidate in known}
    near = get_close_matches(str(name).lower(), folded, n=1, cutoff=0.55)
    return f"did you mean {folded[near[0]]!r}?" if near else ""


def file_beside(path: Path, suffix: str = "") -> str:
    """ "did you mean 'mask.npy'?" with the file of this folder whose name is nearest, or "".

    suffix   of the files; by default that of the path
    """
    names = islice(path.parent.glob(f"*{suffix or path.suffix}"), MOST_NAMES)
    return did_you_mean(path.name, sorted(each.name for each in names))


def without_memory(problem: MemoryError) -> str:
    """The words for a lack of memory: NumPy tells how much it asked for, Python nothing."""
    return ": ".join(filter(None, ("there is not enough memory", str(problem))))


def path_argument(name: str, value: object) -> Path:
    """A path among the arguments of a public function; DescriptionError for anything else."""
    if isinstance(value, (str, os.PathLike)) and isinstance(path := os.fspath(value), str):
        return Path(path)
    raise DescriptionError("is not a path", key=name, found=value, expected="a text or a pathlib.Path")


def _shortened(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python prints no integers of thousands of digits
        text = f"{type(value).__name__} with thousands of digits"
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
