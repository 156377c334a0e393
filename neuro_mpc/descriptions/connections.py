"""Which pairs of units a projection connects: all, one to one, drawn at random, neighbours, or those of a mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from pydantic import Field, PlainValidator, ValidationInfo, WrapValidator, model_validator

from neuro_mpc.descriptions.masks import EXPECTED, mask_of, mask_rows, sha256_of
from neuro_mpc.descriptions.tables import NotNegative, Table, problem
from neuro_mpc.errors import DescriptionError, did_you_mean

if TYPE_CHECKING:
    from neuro_mpc.descriptions.circuit import Circuit
    from neuro_mpc.descriptions.circuit_tables import Population

WORDS = ("all", "one-to-one")
FORMS = '"all", "one-to-one", {random = 0.1}, {local = 3} or {mask = "file.npy"}'
CONNECTED = "connected"
"""The variable of a group of synapses, and of a run file, that is 1 where there is a synapse."""

Grid = tuple[int, ...]
Share = Annotated[float, Field(gt=0, le=1)]
Mask = Annotated[tuple[str, ...], PlainValidator(mask_rows)]


class Connect(Table):
    """The pairs of units that have a synapse, said by one of the keys `random`, `local` and `mask`.

    random   probability that a pair has a synapse; the pairs are drawn from the seed of the run
    local    a unit receives from those within this radius of its place, on the line or the grid (`shape`) of the sender
    mask     lines of 0 and 1, one for each unit that receives; or a file of them (.npy, .npz, .nc, .csv), or an array
    share    in run files, in place of a mask: the share of the pairs that it connects
    sha256   in run files, in place of a mask: its checksum
    """

    random: Share | None = None
    local: NotNegative | None = None
    mask: Mask | None = None
    share: Share | None = None
    sha256: str | None = None

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        kinds = [key for key in ("random", "local", "mask", "share") if getattr(self, key) is not None]
        if len(kinds) != 1:
            named = " and ".join(kinds) or "none of random, local and mask"
            raise problem(f"has {named}", expected="one of them: " + FORMS)
        return self

    @property
    def is_fixed(self) -> bool:
        """Whether the pairs are known from the description alone."""
        return self.local is not None or self.mask is not None

    def brief(self) -> Connect:
        """The same without the lines of a mask, which run files keep as a variable."""
        if self.mask is None:
            return self
        return Connect(share=float(mask_of(self.mask).mean()), sha256=sha256_of(self.mask))


def _connection(value: Any, _: object, info: ValidationInfo) -> str | Connect:
    """A validator: one of the words, or the table; an array or lines stand for the table of a mask."""
    if isinstance(value, Connect) or value in WORDS:
        return value
    if isinstance(value, (list, tuple)):
        value = {"mask": value}
    if isinstance(value, Mapping):
        return Connect.model_validate(value, context=info.context)
    hint = did_you_mean(value, WORDS) if isinstance(value, str) else ""
    raise problem("is no way to connect populations", expected=FORMS, hint=hint)


Connection: TypeAlias = Annotated[Literal["all", "one-to-one"] | Connect, WrapValidator(_connection)]


def grid_of(population: Population) -> Grid:
    """The line or the grid of a population's units; its size is known."""
    return population.shape or (population.size or 0,)


def share_of(connect: Connect, post: Grid, pre: Grid) -> float:
    """The share of all pairs that have a synapse; of those that are drawn, the expected one."""
    if connect.local is not None:
        return _near_share(post, pre, connect.local)
    if connect.mask is not None:
        return float(mask_of(connect.mask).mean())
    return connect.random or connect.share or 0.0


def fixed_mask(connect: Connect, post: Grid, pre: Grid) -> np.ndarray:
    """Which pairs have a synapse, bool (n_post, n_pre), of neighbours or a mask."""
    return mask_of(connect.mask) if connect.mask is not None else near(post, pre, connect.local or 0.0)


def near(post: Grid, pre: Grid, radius: float) -> np.ndarray:
    """Which units are within a radius of each other, bool (n_post, n_pre), in distances of the sender's grid; the two
    grids cover the same ground, and end at its edges."""
    squares = [_squares(*sizes) for sizes in zip(post, pre, strict=True)]
    others = np.zeros((1, 1))
    for square in squares[1:]:
        others = (others[:, None, :, None] + square[None, :, None, :]).reshape(
            len(others) * len(square), others.shape[1] * square.shape[1]
        )
    # A row of the first axis at a time: all distances together would take eight times the memory of the mask.
    rows = [(square[None, :, None] + others[:, None, :] <= radius**2 + 1e-9) for square in squares[0]]
    return np.concatenate([row.reshape(len(others), -1) for row in rows])


def _squares(post: int, pre: int) -> np.ndarray:
    """Squared distances along one axis, (post, pre)."""
    places = (np.arange(post) + 0.5) * pre / post - 0.5
    return (places[:, None] - np.arange(pre)) ** 2


@lru_cache(maxsize=64)
def _near_share(post: Grid, pre: Grid, radius: float) -> float:
    return float(near(post, pre, radius).mean())


# --- checks ----------------------------------------------------------------------------------------------------------


def connection_problems(circuit: Circuit) -> Iterator[DescriptionError]:
    """What is wrong with the connections of a circuit whose names are right, as far as its sizes are known."""
    for name, projection in circuit.projection.items():
        post, pre = circuit.population[projection.target], circuit.population[projection.source]
        key, connect = f"projection.{name}.connect", projection.connect
        if isinstance(connect, Connect):
            yield from _unmarked(circuit, name)
            yield from _mask_problems(connect, post, pre, f"{key}.mask")
            if post.size and pre.size and connect.local is not None:
                yield from _local_problems(connect, post, pre, f"{key}.local")
        elif connect == "one-to-one" and post.size and pre.size and post.size != pre.size:
            yield DescriptionError(
                f"{projection.source} has {pre.size} units, {projection.target} {post.size}",
                key=key,
                found=connect,
                expected="populations of the same size",
            )


def _unmarked(circuit: Circuit, name: str) -> Iterator[DescriptionError]:
    """Run files mark a pair without a synapse by missing parameters."""
    synapse = circuit.projection[name].synapse
    parameters = circuit.synapse[synapse].parameter
    if not parameters or CONNECTED in parameters:
        called = f"a parameter called {CONNECTED}" if parameters else "no parameter"
        yield DescriptionError(
            f"connects some of the pairs only, and the synapse type {synapse!r} has {called}",
            key=f"projection.{name}.connect",
            expected="parameters that are missing where there is no synapse",
            hint='mean = "w" and [parameter.w] with rate_factor = 0 for weights that do not learn',
        )


def _mask_problems(connect: Connect, post: Population, pre: Population, key: str) -> Iterator[DescriptionError]:
    if connect.mask is None:
        return
    shape, sizes = (len(connect.mask), len(connect.mask[0])), (post.size, pre.size)
    if any(size is not None and size != found for size, found in zip(sizes, shape, strict=True)):
        expected = tuple("n" if size is None else size for size in sizes)
        fits_transposed = all(size in (None, found) for size, found in zip(sizes, shape[::-1], strict=True))
        yield DescriptionError(
            f"the mask has the shape {shape}",
            key=key,
            expected=f"(n_post, n_pre) = ({expected[0]}, {expected[1]})",
            hint="the transpose of the mask" if fits_transposed else "",
        )
    elif not any("1" in row for row in connect.mask):
        yield DescriptionError("the mask connects nothing", key=key, expected="a 1 for every synapse")


def _local_problems(connect: Connect, post: Population, pre: Population, key: str) -> Iterator[DescriptionError]:
    grids = grid_of(post), grid_of(pre)
    if len(grids[0]) != len(grids[1]):
        yield DescriptionError(
            f"the units lie on {list(grids[1])} in the sender and on {list(grids[0])} in the receiver",
            key=key,
            found=connect.local,
            expected="grids of as many dimensions (shape in [population.NAME])",
        )
    elif share_of(connect, *grids) == 0:
        yield DescriptionError(
            "no unit is that near to another", key=key, found=connect.local, expected="a radius that reaches some"
        )


def missing_mask(circuit: str, projection: str) -> DescriptionError:
    """The error for a circuit of a run file, which has of a mask only its checksum."""
    return DescriptionError(
        "the mask itself is not in this description",
        source=circuit,
        key=f"projection.{projection}.connect",
        expected=f"mask: {EXPECTED}",
        hint="nm.load_trained(RUN).circuit has it, and --from RUN starts with it",
    )
