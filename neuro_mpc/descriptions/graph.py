"""Walks along the projections of a circuit, over names of populations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import chain


def order(senders: Mapping[str, Iterable[str]]) -> list[str]:
    """The names so that senders come first; otherwise as they are listed, each after all that it waits for.

    Raises graphlib.CycleError where there is a loop.
    """
    before: dict[str, list[str]] = {}
    for name in TopologicalSorter(senders).static_order():
        before[name] = [*_once(before[sender] for sender in senders[name]), name]
    return _once(before[name] for name in senders)


def loop(senders: Mapping[str, Iterable[str]]) -> list[str]:
    """The names along a loop, in the direction of the projections, the first one again at the end; [] without one."""
    try:
        TopologicalSorter(senders).prepare()
    except CycleError as error:
        names = error.args[1][:-1]
        first = names.index(next(name for name in senders if name in names))
        return [*names[first:], *names[:first], names[first]]
    return []


def reached(neighbours: Mapping[str, Iterable[str]], start: str) -> set[str]:
    """What can be reached from `start` in one step or more; a graph with loops has no order to walk in."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = set(neighbours[waiting.pop()]) - found
        found |= new
        waiting += new
    return found


def _once(parts: Iterable[list[str]]) -> list[str]:
    """The parts in a row, each name at its first place only."""
    return list(dict.fromkeys(chain.from_iterable(parts)))
