"""The grid of a sweep: the values of its members, and their names."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from neuro_mpc.descriptions.loading import parse_settings
from neuro_mpc.descriptions.other_names import OF_A_RUN
from neuro_mpc.descriptions.overrides import excluded, first_replaced
from neuro_mpc.descriptions.values import plain
from neuro_mpc.errors import DescriptionError
from neuro_mpc.simulation import arguments

RESERVED_NAMES = ("seed", "test", "network", "sweep")  # names of other dimensions, and of the combined file
MOST_MEMBERS = 100_000
LONGEST_NAME = 120
SEEDS = "such as 3 or 0,2,5 or 0:5, which is 0, 1, 2, 3, 4"


@dataclass(frozen=True)
class Axis:
    """A key that is swept: its dotted path, its short name, its values."""

    key: str
    name: str
    values: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.name} = {', '.join(map(as_text, self.values))}"


@dataclass(frozen=True)
class Member:
    """One run of a sweep: its place in the grid, its settings, its seed, and the stem of its file."""

    index: tuple[int, ...]
    settings: tuple[tuple[str, object], ...]
    seed: int
    name: str


@dataclass(frozen=True)
class Grid:
    """All combinations of the values of the axes and of the seeds."""

    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return (*(len(axis.values) for axis in self.axes), len(self.seeds))

    def __len__(self) -> int:
        return math.prod(self.shape)

    def __str__(self) -> str:
        axes = [*map(str, self.axes), f"seed = {', '.join(map(str, self.seeds))}"]
        return "\n".join([f"{len(self)} member{'' if len(self) == 1 else 's'}:", *(f"  {axis}" for axis in axes)])

    def members(self) -> Iterator[Member]:
        """All of them, seeds last."""
        for index in itertools.product(*map(range, self.shape)):
            *positions, seed = index
            values = [axis.values[position] for axis, position in zip(self.axes, positions)]
            settings = tuple((axis.key, value) for axis, value in zip(self.axes, values))
            parts = [f"{axis.name}={as_text(value)}" for axis, value in zip(self.axes, values)]
            yield Member(index, settings, self.seeds[seed], _file_name([*parts, f"seed={self.seeds[seed]}"]))


def grid(over: Mapping[str, Iterable[object]], seeds: Iterable[int]) -> Grid:
    """The grid of `over` (dotted key → values) and `seeds`.

    Raises DescriptionError where a value occurs twice, or has no effect.
    """
    lists = {key: _values(key, values) for key, values in over.items()}
    if pair := first_replaced(lists):
        raise DescriptionError(
            f"would be replaced by {pair[1]}, which is swept, too",
            source="--over",
            key=pair[0],
            hint=f"{pair[1]} first, or one of them alone",
        )
    names = _short_names(list(lists))
    points = Grid(tuple(Axis(key, names[key], values) for key, values in lists.items()), _seeds(seeds))
    if len(points) > MOST_MEMBERS:
        raise DescriptionError(
            "the sweep is too large",
            source="--over",
            found=f"{len(points):,} members",
            expected=f"at most {MOST_MEMBERS:,}",
        )
    return points


def parse_over(texts: Iterable[str]) -> dict[str, tuple[object, ...]]:
    """key → values of texts such as ``protocol.stimulus.load=0.1,0.5``; not split within brackets."""
    over: dict[str, tuple[object, ...]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        parts = [f"{key}={value}" for value in _split(values)]
        if not equals or not all(part.strip() for part in _split(values)):
            raise DescriptionError(
                "not a key and its values",
                source="--over",
                found=text,
                expected="KEY=VALUE,VALUE,…, such as protocol.learning.rate=0.1,0.5",
            )
        if key.strip() in over:
            raise DescriptionError(
                "is swept twice",
                source="--over",
                key=key.strip(),
                hint="one --over for a key, with all of its values",
            )
        over[key.strip()] = tuple(_setting(part)[1] for part in parts)
    return over


def refuse_set(over: Iterable[str], settings: Iterable[str]) -> None:
    """Refuses texts of `--set` whose values the swept keys would replace."""
    keys = [text.partition("=")[0].strip() for text in settings]
    for key in over:
        found = [each for each in keys if first_replaced((each, key)) or excluded(key) == each]
        if found:
            raise DescriptionError(
                f"is swept, and {'' if found[0] == key else f'{found[0]} '}set as well",
                source="--over",
                key=key,
                expected="one of the two",
                hint=f"leave --set {found[0]} out",
            )


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds of ``3``, ``0,2,5`` or ``0:5`` (0 … 4)."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,9})(?::(\d{1,9}))?", part.strip())
        if not match:
            raise DescriptionError("not seeds", source="--seeds", found=text, expected=SEEDS)
        first, end = int(match[1]), int(match[2] or int(match[1]) + 1)
        if end <= first:
            raise DescriptionError("are none", source="--seeds", found=text, expected=SEEDS)
        if end - first > MOST_MEMBERS:
            raise DescriptionError(
                "the sweep is too large",
                source="--seeds",
                found=text,
                expected=f"at most {MOST_MEMBERS:,} members",
            )
        seeds += range(first, end)
    return tuple(seeds)


def settings_of(member: Member) -> tuple[dict[str, object], dict[str, object]]:
    """The settings of a member for the circuit and for the protocol."""
    changes: dict[str, dict[str, object]] = {"circuit": {}, "protocol": {}}
    for key, value in member.settings:
        kind, _, rest = key.partition(".")
        changes[kind][rest] = value
    return changes["circuit"], changes["protocol"]


def as_text(value: object) -> str:
    """A value as it is written in a grid, in a file name and as a coordinate."""
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _setting(text: str) -> tuple[str, object]:
    """The key without its kind, and the value, of a text as `--set` takes it."""
    try:
        ((key, value),) = next(changes for changes in parse_settings([text]) if changes).items()
    except DescriptionError as error:
        error.source = "--over"
        if error.hint == OF_A_RUN["seed"]:
            error.hint = "--seeds, of the sweep"
        raise
    return key, value


def _split(text: str) -> list[str]:
    """The values of a list without brackets, split where TOML would split them."""
    parts = [""]
    for piece in re.split("(,)", text):
        if piece == "," and _is_whole(parts[-1]):
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _is_whole(text: str) -> bool:
    """Whether brackets and quotes are closed; a text that is no TOML value, such as a path, is whole."""
    try:
        tomllib.loads(f"value = {text}")
        return True
    except (ValueError, RecursionError):
        return (
            text.count("[") == text.count("]")
            and text.count("{") == text.count("}")
            and text.count("(") == text.count(")")
            and text.count('"') % 2 == 0
        )


def _values(key: str, values: Iterable[object]) -> tuple[object, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise DescriptionError(
            "are not values to sweep", source="--over", key=key, found=values, expected="a list of values"
        )
    settings = tuple(plain(value) for value in values)
    _setting(f"{key}=0")  # refuses an invalid key
    if not settings:
        raise DescriptionError("has no values to sweep", source="--over", key=key, expected="one value or more")
    _refuse_repeated(settings, key, "--over")
    return settings


def _seeds(seeds: Iterable[int] | int) -> tuple[int, ...]:
    """The seeds of a list, or of a number, which is one seed."""
    given = seeds if isinstance(seeds, Iterable) and not isinstance(seeds, str) else (seeds,)
    try:
        checked = tuple(arguments.seed(seed) for seed in given)
    except DescriptionError as problem:
        problem.source = "--seeds"
        raise
    if not checked:
        raise DescriptionError("not seeds", source="--seeds", found=checked, expected=SEEDS)
    _refuse_repeated(checked, "seed", "--seeds")
    return checked


def _refuse_repeated(values: Sequence[object], key: str, source: str) -> None:
    repeated = next((text for text, times in Counter(map(as_text, values)).items() if times > 1), None)
    if repeated is not None:
        raise DescriptionError(
            "has the same value twice", source=source, key=key, found=repeated, expected="each value once"
        )


def _short_names(keys: Sequence[str]) -> dict[str, str]:
    """The fewest last parts of each key that distinguish it from the others, joined by underscores."""
    names = {}
    for key in keys:
        parts = key.split(".")
        for count in range(1, len(parts) + 1):
            name = "_".join(parts[-count:])
            others = ["_".join(other.split(".")[-count:]) for other in keys if other != key]
            if name not in others and name not in RESERVED_NAMES:
                break
        names[key] = name
    return names


def _file_name(parts: Sequence[str]) -> str:
    """A name that every file system takes; where the values do not fit into one, it ends in a digest of them."""
    text = ",".join(parts)
    plain = re.sub(r"[^A-Za-z0-9_.,=+-]", "_", text)[:LONGEST_NAME]
    return plain if plain == text else f"{plain},{hashlib.sha256(text.encode()).hexdigest()[:8]}"
