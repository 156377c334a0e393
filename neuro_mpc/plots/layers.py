"""Where the nodes and the edges of a directed graph are drawn: in layers, each edge through a gap of its own.

After K. Sugiyama, S. Tagawa and M. Toda (1981): layers by the longest path, orders with few crossings, positions with
short and straight edges.  Every edge keeps a slot free in each layer that it passes, and its label has one between two
layers, so that nothing overlaps.  Lengths are in millimetres; layers are stacked from below.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from itertools import pairwise

import numpy as np

from neuro_mpc.descriptions.graph import reachable

GAP = 3.0  # between neighbours
NARROW, WIDE = 5.0, 15.0  # between two layers: of straight edges, of steep ones
SLOPE = 0.3
STUB = 2.3  # an edge meets its nodes at a right angle, with room for an arrow's head
BETWEEN_ENDS = 2.6  # of edges at the same side of a node
SWEEPS, ROUNDS = 12, 300
SETTLED = 0.003  # no cell moved more in a round
BEND = 0.2  # a shorter one counts as none
Point = tuple[float, float]


@dataclass(frozen=True)
class Node:
    """What is drawn at a place: its height, and its extents to the left and to the right of that place."""

    left: float
    right: float
    height: float


@dataclass(frozen=True)
class Edge:
    """From one node to another, with the size of its label; `delayed` edges may close loops."""

    source: str
    target: str
    width: float = 0.0
    height: float = 0.0
    delay: int = 0


@dataclass
class Layout:
    """Places of nodes; of every edge the points that it passes, from its source on, and the place of its label."""

    nodes: dict[str, Point] = field(default_factory=dict)
    paths: list[list[Point]] = field(default_factory=list)
    labels: list[Point] = field(default_factory=list)


def layers_of(names: Sequence[str], edges: Iterable[Edge]) -> dict[str, int]:
    """The layer of each node, counted from 0: above all that it hears of, but for edges that close a loop."""
    forward: dict[str, list[str]] = {name: [] for name in names}
    for edge in sorted(edges, key=lambda edge: edge.delay):
        closes = edge.source == edge.target or edge.source in reachable(forward, edge.target)
        if not closes and edge.target not in forward[edge.source]:
            forward[edge.source].append(edge.target)
    senders = {name: [other for other in names if name in forward[other]] for name in names}
    layers: dict[str, int] = {}
    for name in TopologicalSorter(senders).static_order():
        layers[name] = max((layers[sender] + 1 for sender in senders[name]), default=0)
    for name in names:  # what hears of nothing stands right below its first receiver
        if not senders[name] and forward[name]:
            layers[name] = min(layers[receiver] for receiver in forward[name]) - 1
    return layers


def layout(nodes: Mapping[str, Node], edges: Sequence[Edge]) -> Layout:
    """Places of all nodes and edges, edges from a node to itself left out of both."""
    grid = _Grid(nodes, edges)
    grid.order()
    grid.place()
    return grid.layout()


class _Grid:
    """Rows of cells: nodes in the even rows, labels in the odd ones, and in both the slots of edges that pass."""

    def __init__(self, nodes: Mapping[str, Node], edges: Sequence[Edge]):
        self.nodes, self.edges = nodes, edges
        rows = {name: 2 * layer for name, layer in layers_of(list(nodes), edges).items()}
        self.size: dict[Hashable, Node] = {**nodes}
        self.row: dict[Hashable, int] = {**rows}
        self.rows: list[list[Hashable]] = [[] for _ in range(max(rows.values()) + 1)]
        for name, row in rows.items():
            self.rows[row].append(name)
        self.chains = [self._chain(number) for number in range(len(edges))]
        self.x: dict[Hashable, float] = {}
        self.y: list[float] = []
        self.neighbours: dict[Hashable, tuple[list[Hashable], list[Hashable]]] = {cell: ([], []) for cell in self.size}
        for chain in self.chains:
            for below, above in pairwise(chain):
                self.neighbours[below][1].append(above)
                self.neighbours[above][0].append(below)

    def _chain(self, number: int) -> list[Hashable]:
        """The cells of an edge from its lower end to its upper one."""
        edge = self.edges[number]
        lower, upper = self._ends_of(number)
        between = range(self.row[lower] + 1, self.row[upper])
        for row in between:
            labelled = row == self._label_row(number)
            half = edge.width / 2 if labelled else 0.0
            self.size[number, row] = Node(half, half, edge.height if labelled else 0.0)
            self.rows[row].append((number, row))
            self.row[number, row] = row
        return [lower, *((number, row) for row in between), upper]

    def _ends_of(self, number: int) -> list[str]:
        """The nodes of an edge, the lower one first."""
        return sorted((self.edges[number].source, self.edges[number].target), key=self.row.__getitem__)

    def _label_row(self, number: int) -> int:
        """The row between layers in the middle of an edge."""
        lower, upper = map(self.row.__getitem__, self._ends_of(number))
        return lower + 1 + (upper - lower - 1) // 2 // 2 * 2

    def order(self) -> None:
        """Sorts the cells of each row by the mean place of their neighbours, up and down, and keeps the best order."""
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for sweep in range(SWEEPS):
            upwards = sweep % 2 == 0
            indices = range(1, len(self.rows)) if upwards else range(len(self.rows) - 2, -1, -1)
            for index in indices:
                place = _places(self.rows[index - 1 if upwards else index + 1])
                self.rows[index] = self._sorted(self.rows[index], 0 if upwards else 1, place)
            if (crossings := self._crossings()) < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def _sorted(self, row: list[Hashable], side: int, place: Mapping[Hashable, float]) -> list[Hashable]:
        own = _places(row)

        def key(cell: Hashable) -> float:
            others = [place[other] for other in self.neighbours[cell][side]]
            return sum(others) / len(others) if others else own[cell]

        return sorted(row, key=key)

    def _crossings(self) -> int:
        crossings = 0
        for row, above in pairwise(self.rows):
            place = _places(above)
            ends = [(number, place[other]) for number, cell in enumerate(row) for other in self.neighbours[cell][1]]
            starts, stops = np.array(ends).reshape(-1, 2).T
            left = starts[:, None] < starts
            crossings += int((left & (stops[:, None] > stops)).sum())
        return crossings

    def place(self) -> None:
        """x such that edges are as short and straight as the order allows, y such that they are not too steep."""
        for row in self.rows:
            self._set(row, np.zeros(len(row)), np.ones(len(row)))
        for turn in range(ROUNDS):
            self._straight, before = turn > ROUNDS // 3, dict(self.x)
            for row in self.rows if turn % 2 else self.rows[::-1]:
                pulls = [[self._pull(cell, other) for side in self.neighbours[cell] for other in side] for cell in row]
                weights = np.array([sum(weight for weight, _ in each) or 1e-3 for each in pulls])
                sums = [sum(weight * x for weight, x in each) for each in pulls]
                desired = [
                    total / weight if each else self.x[cell]
                    for total, weight, each, cell in zip(sums, weights, pulls, row)
                ]
                self._set(row, np.array(desired), weights)
            if self._straight and max(abs(self.x[cell] - x) for cell, x in before.items()) < SETTLED:
                break
        self._stack()

    def _pull(self, cell: Hashable, other: Hashable) -> tuple[float, float]:
        """Squares of lengths at first; then lengths themselves, so that an edge has one bend in place of many."""
        passing = sum(each not in self.nodes for each in (cell, other))
        weight = (1.0, 2.0, 6.0)[passing]
        length = max(abs(self.x[cell] - self.x[other]), BEND) if self._straight else 1.0
        return weight / length, self.x[other]

    def _set(self, row: Sequence[Hashable], desired: np.ndarray, weights: np.ndarray) -> None:
        apart = [self.size[left].right + GAP + self.size[right].left for left, right in pairwise(row)]
        self.x.update(zip(row, spread(desired, apart, weights)))

    def _stack(self) -> None:
        """The middle of each row, from below."""
        top = 0.0
        for number, row in enumerate(self.rows):
            height = max(self.size[cell].height for cell in row)
            if number:
                runs = [abs(self.x[cell] - self.x[other]) for cell in row for other in self.neighbours[cell][0]]
                top += min(max(NARROW, SLOPE * max(runs, default=0.0)), WIDE)
            self.y.append(top + height / 2)
            top += height

    def layout(self) -> Layout:
        ends, numbers = self._ends(), range(len(self.edges))
        nodes = {name: (self.x[name], self.y[self.row[name]]) for name in self.nodes}
        labels = [(self.x[number, row], self.y[row]) for number in numbers for row in [self._label_row(number)]]
        return Layout(nodes, [self._path(number, ends) for number in numbers], labels)

    def _path(self, number: int, ends: Mapping[tuple[int, int], float]) -> list[Point]:
        """Upright within rows, so that an edge keeps clear of what is taller than its own node."""
        lower, *between, upper = self.chains[number]
        points = [(ends[number, 0], self._side(lower, 1)), (ends[number, 0], self._band(lower)[1] + STUB)]
        points += [(self.x[cell], y) for cell in between for y in self._band(cell)]
        points += [(ends[number, 1], self._band(upper)[0] - STUB), (ends[number, 1], self._side(upper, -1))]
        return points if lower == self.edges[number].source else points[::-1]

    def _side(self, cell: Hashable, direction: int) -> float:
        return self.y[self.row[cell]] + direction * self.size[cell].height / 2

    def _band(self, cell: Hashable) -> Point:
        """y of the lower and the upper end of the row of a cell."""
        row = self.row[cell]
        half = max(self.size[other].height for other in self.rows[row]) / 2
        return self.y[row] - half, self.y[row] + half

    def _ends(self) -> dict[tuple[int, int], float]:
        """x of the lower (0) and the upper (1) end of every edge: at the node, as straight as there is room for."""
        found: dict[tuple[int, int], float] = {}
        for end, (last, before) in enumerate(((0, 1), (-1, -2))):
            for name, node in self.nodes.items():
                numbers = [number for number, chain in enumerate(self.chains) if chain[last] == name]
                numbers.sort(key=lambda number: self.x[self.chains[number][before]])
                if not numbers:
                    continue
                room = 0.8 * node.left
                apart = min(BETWEEN_ENDS, 2 * room / max(len(numbers) - 1, 1))
                desired = np.array([self.x[self.chains[number][before]] - self.x[name] for number in numbers])
                offsets = spread(np.clip(desired, -room, room), [apart] * (len(numbers) - 1), np.ones(len(numbers)))
                offsets -= max(offsets[-1] - room, 0) + min(offsets[0] + room, 0)
                found.update({(number, end): self.x[name] + offset for number, offset in zip(numbers, offsets)})
        return found


def spread(desired: np.ndarray, apart: Sequence[float], weights: np.ndarray) -> np.ndarray:
    """The places nearest to the desired ones, in this order and at least so far apart, by weighted least squares."""
    from scipy.optimize import isotonic_regression  # takes half a second to import

    offsets = np.concatenate([[0.0], np.cumsum(apart)])
    return isotonic_regression(desired - offsets, weights=weights).x + offsets


def _places(row: Sequence[Hashable]) -> dict[Hashable, float]:
    """The place of each cell in its row, rows of different lengths centred above each other."""
    return {cell: number - (len(row) - 1) / 2 for number, cell in enumerate(row)}
