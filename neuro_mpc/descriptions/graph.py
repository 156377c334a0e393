"""Walks along the projections of a circuit, over names of populations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from itertools import chain


def order(senders: Mapping[str, Iterable[str]]) -> list[str]:
    """The names with senders first; otherwise in the order given, each after all that it depends on.

    Raises graphlib.CycleError where there is a loop.
    """
    predecessors: dict[str, list[str]] = {}
    for name in TopologicalSorter(senders).static_order():
        predecessors[name] = [*_once(predecessors[sender] for sender in senders[name]), name]
    return _once(predecessors[name] for name in senders)


def loop(senders: Mapping[str, Iterable[str]]) -> list[str]:
    """The names along a loop, in the direction of the projections, the first one again at the end; [] without one."""
    try:
        TopologicalSorter(senders).prepare()
    except CycleError as error:
        names = error.args[1][:-1]
        first = names.index(next(name for name in senders if name in names))
        return [*names[first:], *names[:first], names[first]]
    return []


def reachable(neighbours: Mapping[str, Iterable[str]], start: str) -> set[str]:
    """What can be reached from `start` in one step or more; a graph with loops has no order to walk in."""
    names: set[str] = set()
    waiting = [start]
    while waiting:
        new = set(neighbours[waiting.pop()]) - names
        names |= new
        waiting += new
    return names


def distances(steps: Mapping[str, Iterable[tuple[str, int]]], start: str) -> dict[str, int]:
    """The shortest distance from `start` of all that can be reached.

    steps   name → (neighbour, distance to it); distances are not negative
    """
    found: dict[str, int] = {}
    waiting = [(0, start)]
    while waiting:
        distance, name = heappop(waiting)
        if name not in found:
            found[name] = distance
            for neighbour, step in steps[name]:
                heappush(waiting, (distance + step, neighbour))
    return found


def _once(parts: Iterable[list[str]]) -> list[str]:
    """The parts in a row, each name at its first place only."""
    return list(dict.fromkeys(chain.from_iterable(parts)))
