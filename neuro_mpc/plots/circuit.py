"""A circuit as a drawing: populations in layers, projections as arrows that say their delay and connections."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import StringIO
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path as Curve
from matplotlib.textpath import text_to_path

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_tables import INPUT, Population, Projection, SplitErrors
from neuro_mpc.descriptions.connections import Connect
from neuro_mpc.descriptions.recorded import circuit_of_run
from neuro_mpc.errors import DescriptionError, NeuroMPCError, RunFileError
from neuro_mpc.plots import layers, lettering, style, wrapping
from neuro_mpc.plots.figures import figure
from neuro_mpc.plots.saving import refuse_missing_folder, refuse_other_formats, written
from neuro_mpc.runfile import access

NAME_SIZE, TEXT_SIZE = 7.0, 6.0  # points
LINE = 2.7  # millimetres from a line of text to the next one
POINT = 25.4 / 72
PADDING, MARGIN, GROUND = 1.6, 2.0, 0.3
LOOP = 4.0  # how far the arrow of a recurrent projection reaches out
BAR = 2.4
LONGEST = 24  # characters of a name
MOST = 100  # populations or projections
FILLS = {"stimulus": "#EDEEF0", "free": "#E3EAF6", "target": "#EEE8F5", "constant": "#FFFFFF"}
EDGES = {"stimulus": style.INK, "free": style.BELIEF, "target": style.OUTPUT, "constant": style.FAINT}
COLORS = (style.INK, style.ERROR, style.BELIEF, style.PREDICTION, style.AFTER, style.OUTPUT, style.FAINT)
INHIBITORY = "inhibitory"


@dataclass(frozen=True)
class Lines:
    """Texts below each other, the first one in bold where it is a name."""

    texts: tuple[str, ...]
    has_name: bool = False

    @property
    def width(self) -> float:
        return max((_width(text, self.has_name and not number) for number, text in enumerate(self.texts)), default=0.0)

    @property
    def height(self) -> float:
        return LINE * len(self.texts)


@figure("circuit", place=5, chapter="Circuit", title="Populations and projections")
def plot_circuit(run: xr.DataTree) -> list[Figure]:
    """The circuit: populations with their sizes and roles, projections with their names and delays; an arrow's colour
    is the synapse type, and broken arrows carry what is one or more steps old.

    Raises RunFileError where the run holds no circuit that can be drawn.
    """
    try:
        circuit = circuit_of_run(str(run.attrs["circuit"]), access.source(run))
        return [figure_of(circuit, columns=True)]
    except (NeuroMPCError, KeyError) as problem:
        raise RunFileError(f"{access.source(run)} holds no circuit that can be drawn: {problem}") from None


def save(circuit: Circuit, path: str | os.PathLike[str], font: str | None = None) -> Path:
    """Writes the drawing; its suffix is the format. RunFileError where the file cannot be written."""
    path = Path(path)
    refuse_missing_folder(path.parent)
    refuse_other_formats(path)
    with style.applied(font=font, text=circuit.to_toml()):
        return written(figure_of(circuit), path)


def as_svg(circuit: Circuit) -> str:
    """The drawing as SVG, its letters as curves: it looks the same where the fonts are missing."""
    with style.applied(text=circuit.to_toml()), matplotlib.rc_context({"svg.fonttype": "path"}):
        file = StringIO()
        figure_of(circuit).savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()


def figure_of(circuit: Circuit, names: bool = True, columns: bool = False) -> Figure:
    """A page of the size that the drawing needs, or as wide as one or two columns; within `style.applied`."""
    drawing = Drawing(circuit, names)
    width, height = drawing.inches
    if columns:
        width = next((column for column in (style.SINGLE, style.DOUBLE) if width <= column), width)
    page = style.new_figure(width, height, laid_out=False)
    drawing.on(page.add_axes((0, 0, 1, 1)))
    return page


def draw(circuit: Circuit, ax: Axes | None = None, names: bool = True) -> Axes:
    """What `Circuit.draw` does."""
    with style.applied(text=circuit.to_toml()):
        drawing = Drawing(circuit, names)
        if ax is None:
            from matplotlib import pyplot  # notebooks show what it knows of

            ax = pyplot.figure(figsize=drawing.inches).add_axes((0, 0, 1, 1))
        drawing.on(ax)
    return ax


class Drawing:
    """A circuit, laid out in millimetres.

    names   whether projections are named
    """

    def __init__(self, circuit: Circuit, names: bool):
        refuse_too_many(circuit)
        self.circuit, self.names = circuit, names
        self.labels = {name: self._label(name) for name in circuit.projection}
        self.boxes = {name: Lines(_words(name, each), True) for name, each in circuit.population.items()}
        self.loops = {name: self._loops(name) for name in circuit.population}
        self.arrows = {name: each for name, each in circuit.projection.items() if each.source != each.target}
        self.layout = layers.layout(
            {name: self._node(name) for name in circuit.population},
            [self._edge(name, each) for name, each in self.arrows.items()],
        )
        self.types = list(dict.fromkeys(each.synapse for each in circuit.projection.values()))
        self._measure()

    @property
    def inches(self) -> tuple[float, float]:
        return self.width * style.MILLIMETRE, self.height * style.MILLIMETRE

    def on(self, axes: Axes) -> None:
        """Draws into axes, smaller where these are too small for letters of their usual size."""
        inside = np.asarray(axes.bbox.size) / axes.figure.dpi / style.MILLIMETRE
        self.scale = min(1.0, *(inside / (self.width, self.height)))
        width, height = inside / self.scale
        axes.set_xlim(self.left - (width - self.width) / 2, self.left + (width + self.width) / 2)
        axes.set_ylim(self.bottom - (height - self.height) / 2, self.bottom + (height + self.height) / 2)
        axes.set_axis_off()
        for each, path in zip(self.arrows.values(), self.layout.paths):
            self._arrow(axes, _smooth(path), each)
        for name in self.circuit.population:
            self._box(axes, name)
            self._draw_loops(axes, name)
        for name, (x, y) in zip(self.arrows, self.layout.labels):
            self._text(axes, x, y, self.labels[name], ground=True)
        self._legend(axes)

    # --- sizes

    def _loops(self, population: str) -> list[str]:
        return [
            name
            for name, each in self.circuit.projection.items()
            if each.source == population and each.target == population
        ]

    def _label(self, name: str) -> Lines:
        each = self.circuit.projection[name]
        named = (lettering.shorten(name, LONGEST),) if self.names else ()
        return Lines((*named, *_conditions(each)))

    def _half(self, population: str) -> tuple[float, float]:
        """Half the width and the height of a box, as large as its texts and its loops need."""
        lines, loops = self.boxes[population], [self._loop_height(name) for name in self.loops[population]]
        return lines.width / 2 + PADDING, max(lines.height + PADDING, sum(loops)) / 2

    def _loop_height(self, name: str) -> float:
        return max(self.labels[name].height, 3.5) + 1.0

    def _node(self, population: str) -> layers.Node:
        half, height = self._half(population)
        loops = [LOOP + 1 + self.labels[name].width for name in self.loops[population]]
        return layers.Node(half, half + max(loops, default=0.0), 2 * height)

    def _edge(self, name: str, each: Projection) -> layers.Edge:
        label = self.labels[name]
        wide = label.width + 1 if label.texts else 0.0
        return layers.Edge(each.source, each.target, wide, label.height + 0.6, each.delay)

    def _measure(self) -> None:
        """The rectangle that holds all of it, and the rows of the legend below."""
        nodes = {name: self._node(name) for name in self.circuit.population}
        places = self.layout.nodes
        points = [point for path in self.layout.paths for point in path]
        halves = [(x, self.labels[name].width / 2) for name, (x, _) in zip(self.arrows, self.layout.labels)]
        lefts = [places[name][0] - node.left for name, node in nodes.items()] + [x - half for x, half in halves]
        rights = [places[name][0] + node.right for name, node in nodes.items()] + [x + half for x, half in halves]
        self.left = min([*lefts, *(x for x, _ in points)]) - MARGIN
        right = max([*rights, *(x for x, _ in points)]) + MARGIN
        self.samples = {name: 9 + _width(lettering.shorten(name, LONGEST), False) for name in self.types}
        self.width = max(right - self.left, max(self.samples.values()) + 2 * MARGIN)
        self.left -= (self.width - (right - self.left)) / 2
        self.rows: list[list[str]] = [[]]
        for name in self.types:
            if (
                self.rows[-1]
                and sum(self.samples[each] + 4 for each in self.rows[-1]) + self.samples[name] > self.width - 2 * MARGIN
            ):
                self.rows.append([])
            self.rows[-1].append(name)
        top = max(places[name][1] + node.height / 2 for name, node in nodes.items())
        self.bottom = -(len(self.rows) * 4.0 + MARGIN + 1.0)
        self.height = top + MARGIN - self.bottom

    # --- drawing

    def _box(self, axes: Axes, population: str) -> None:
        (x, y), (half, height) = self.layout.nodes[population], self._half(population)
        role = self.circuit.population[population].role
        axes.add_patch(
            FancyBboxPatch(
                (x - half, y - height),
                2 * half,
                2 * height,
                boxstyle="round,pad=0,rounding_size=1.2",
                facecolor=FILLS[role],
                edgecolor=EDGES[role],
                linewidth=0.8 * self.scale,
                linestyle="--" if role == "constant" else "-",
                zorder=3,
            )
        )
        self._text(axes, x, y, self.boxes[population])

    def _text(self, axes: Axes, x: float, y: float, lines: Lines, ground: bool = False, align: str = "center") -> None:
        if ground:  # arrows pass below all lines of a label, and between them
            width, height = lines.width + 2 * GROUND, lines.height + 2 * GROUND
            corner = x - width / 2, y - height / 2
            axes.add_patch(Rectangle(corner, width, height, facecolor="white", linewidth=0, zorder=2.5))
        for number, text in enumerate(lines.texts):
            is_name = lines.has_name and not number
            axes.text(
                x,
                y + lines.height / 2 - LINE * (number + 0.5),
                text,
                ha=align,
                va="center_baseline",
                color=style.INK,
                fontproperties=_font(is_name, self.scale),
                zorder=5,
            )

    def _arrow(self, axes: Axes, curve: Curve, each: Projection) -> None:
        color, width = self._color(each), 0.9 * self.scale
        inhibits = INHIBITORY in each.synapse
        axes.add_patch(
            FancyArrowPatch(
                path=curve,
                arrowstyle="-" if inhibits else "-|>,head_length=0.45,head_width=0.22",
                mutation_scale=8 * self.scale,
                color=color,
                linestyle=(0, (3.2, 1.6)) if each.delay else "-",
                linewidth=width,
                shrinkA=0,
                shrinkB=0,
                joinstyle="miter",
                zorder=2,
            )
        )
        if inhibits:
            axes.plot(*_bar(curve), color=color, linewidth=1.6 * width, solid_capstyle="butt", zorder=4)

    def _color(self, each: Projection) -> str:
        return COLORS[self.types.index(each.synapse) % len(COLORS)]

    def _draw_loops(self, axes: Axes, population: str) -> None:
        """Recurrent projections leave and enter at the right, below each other."""
        (x, y), (half, _) = self.layout.nodes[population], self._half(population)
        heights = [self._loop_height(name) for name in self.loops[population]]
        top = y + sum(heights) / 2
        for name, height in zip(self.loops[population], heights):
            middle, right = top - height / 2, x + half
            reach = 4 / 3 * LOOP
            points = [
                (right, middle + 1.3),
                (right + reach, middle + 2.6),
                (right + reach, middle - 2.6),
                (right, middle - 1.3),
            ]
            curve = Curve(points, [Curve.MOVETO, *[Curve.CURVE4] * 3])
            self._arrow(axes, curve, self.circuit.projection[name])
            self._text(axes, right + LOOP + 1, middle, self.labels[name], align="left")
            top -= height

    def _legend(self, axes: Axes) -> None:
        """The colour of each synapse type."""
        for number, row in enumerate(self.rows):
            y = -(number + 1) * 4.0 - 1.0
            x = self.left + (self.width - sum(self.samples[name] for name in row) - 4 * (len(row) - 1)) / 2
            for name in row:
                each = next(each for each in self.circuit.projection.values() if each.synapse == name)
                self._arrow(axes, Curve([(x, y), (x + 6.5, y)]), each.model_copy(update={"delay": 0}))
                self._text(axes, x + 8, y, Lines((lettering.shorten(name, LONGEST),)), align="left")
                x += self.samples[name] + 4


def refuse_too_many(circuit: Circuit) -> None:
    for kind in ("population", "projection"):
        number = len(getattr(circuit, kind))
        if number > MOST:
            raise DescriptionError(
                f"{number} {kind}s are too many for a drawing", source=circuit.name, expected=f"at most {MOST}"
            )


def _words(name: str, population: Population) -> tuple[str, ...]:
    """What a box says: name, units, and what the units do."""
    shape = population.shape or ((population.size,) if population.size else ())
    units = f"{' × '.join(f'{length:,}' for length in shape)} unit{'' if shape == (1,) else 's'}" if shape else ""
    role = "" if population.role == "free" else population.role
    does = population.activation if population.activation not in (None, "r") else population.readout
    about = [units, *wrapping.wrapped(", ".join(part for part in (role, does) if part))]
    about += wrapping.wrapped(f"h = {population.prediction}") if population.prediction not in (None, INPUT) else []
    about += [f"channel {population.channel}"] if population.channel else []
    if population.learned_precision:
        about.append("learned precision")
    elif population.precision not in (None, 1):
        about.append(f"precision {population.precision:g}")
    about += [_split(population.split)] if population.split else []
    return (
        lettering.shorten(name, LONGEST),
        *(lettering.shorten(part, wrapping.LONGEST_LINE) for part in about if part),
    )


def _split(errors: SplitErrors) -> str:
    """ "split errors", with their gains where these differ"""
    gains = f" +{errors.positive:g}, −{errors.negative:g}" if errors.positive != errors.negative else ""
    return f"split errors{gains}"


def _conditions(projection: Projection) -> tuple[str, ...]:
    """What tells a projection from one that connects all with all at the same step."""
    parts = [] if projection.compartment == INPUT else [f"to {projection.compartment}"]
    parts += [f"delay {projection.delay}"] if projection.delay else []
    parts += [] if projection.connect == "all" else [connected(projection.connect)]
    parts += [f"tied to {projection.tied}"] if projection.tied else []
    return tuple(lettering.shorten(part, LONGEST) for part in parts)


def connected(connect: str | Connect) -> str:
    """ "one-to-one", "random 0.1", "local 3", "mask" """
    if isinstance(connect, str):
        return connect
    values = {"random": connect.random, "local": connect.local}
    return next((f"{name} {value:g}" for name, value in values.items() if value is not None), "mask")


def _smooth(points: Sequence[layers.Point]) -> Curve:
    """Straight through rows, in an S between them: both ends of each curve are vertical."""
    vertices, codes = [points[0]], [Curve.MOVETO]
    for (x, y), (end_x, end_y) in pairwise(points):
        middle = (y + end_y) / 2
        vertices += [(x, middle), (end_x, middle), (end_x, end_y)]
        codes += [Curve.CURVE4] * 3
    return Curve(vertices, codes)


def _bar(curve: Curve) -> np.ndarray:
    """x and y of the two ends of a bar across the end of a curve, which inhibits."""
    before, tip = np.asarray(curve.vertices, float)[-2:]
    along = (tip - before) / np.hypot(*(tip - before))
    across = BAR / 2 * np.array([-along[1], along[0]])
    middle = tip - 0.35 * along
    return np.array([middle - across, middle + across]).T


def _font(is_name: bool, scale: float = 1.0) -> FontProperties:
    size = (NAME_SIZE if is_name else TEXT_SIZE) * scale
    return FontProperties(family=matplotlib.rcParams["font.family"], weight="bold" if is_name else "normal", size=size)


def _width(text: str, is_name: bool) -> float:
    return _measured(text, is_name, tuple(matplotlib.rcParams["font.family"]))


@cache
def _measured(text: str, is_name: bool, families: tuple[str, ...]) -> float:
    """Width of a text in millimetres."""
    return text_to_path.get_text_width_height_descent(text, _font(is_name), False)[0] * POINT
