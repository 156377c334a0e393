"""Numbers among the arguments of public functions, checked before anything is prepared."""

from __future__ import annotations

import operator
from typing import Any

from neuro_mpc.errors import DescriptionError

LARGEST_SEED, MOST_THREADS, MOST_WORKERS = 2**63 - 1, 4096, 4096
WORDS = {LARGEST_SEED: "2**63 − 1"}


def whole_number(name: str, value: Any, least: int, most: int) -> int:
    """The int of any integer type in a range; DescriptionError for a truth value, a fraction, a text."""
    number = None if type(value).__name__.startswith("bool") else _index(value)
    if number is None or not least <= number <= most:
        expected = f"a whole number from {least} to {WORDS.get(most, most)}"
        problem = "is not a whole number" if number is None else "is out of range"
        raise DescriptionError(problem, key=name, found=value, expected=expected)
    return number


def _index(value: Any) -> int | None:
    try:
        return operator.index(value)
    except TypeError:
        return None


def seed(value: Any) -> int:
    """A seed, from which every random number of a run follows."""
    return whole_number("seed", value, 0, LARGEST_SEED)


def threads(value: Any) -> int:
    """A number of processor cores."""
    return whole_number("threads", value, 1, MOST_THREADS)


def workers(value: Any) -> int:
    """A number of processes: of runs at a time, or of those that share a run's batches."""
    return whole_number("workers", value, 1, MOST_WORKERS)
