"""Overlapping windows on natural images: the two photographs that come with scikit-learn, filtered as by the retina."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self, cast

import numpy as np
from pydantic import Field, model_validator

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable
from neuro_mpc.descriptions.tables import Positive, problem
from neuro_mpc.errors import DescriptionError
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli.interface import SPLITS, Channel, Split, Stimuli

SURROUND = 1.6
"""Width of the surround of the difference of Gaussians in widths of its centre."""
PARTS: dict[Split, tuple[float, float]] = {"train": (0, 0.6), "validation": (0.6, 0.8), "test": (0.8, 1)}
"""The part of the width of every photograph from which the patches of a split are cut: they share no pixel."""


class ImagePatches(StimulusTable):
    """Windows in rows on photographs, each through a Gaussian aperture, after a difference of Gaussians.

    windows   number of windows, which are the channels window-1, window-2 …, in reading order
    rows      number of rows that they make, of equal length
    side      pixels along a side of a window
    shift     pixels from one window to the next, and from one row to the next
    aperture  standard deviation of the aperture, in pixels
    centre    standard deviation of the centre of that difference, in pixels; that of its surround is 1.6 times as large
    number    trials of each split, at places drawn by the seed

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.ImagePatches(windows=1).side
    16
    """

    source: Literal["image-patches"] = "image-patches"
    windows: Annotated[int, Field(ge=1, le=25)] = 3
    rows: Annotated[int, Field(ge=1, le=25)] = 1
    side: Annotated[int, Field(ge=2, le=50)] = 16
    shift: Annotated[int, Field(ge=0, le=50)] = 5
    aperture: Positive = 4.0
    centre: Annotated[float, Field(ge=0.5, le=20)] = 1.0
    number: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000

    @model_validator(mode="after")
    def _fills_its_rows(self) -> Self:
        if self.windows % self.rows:
            raise problem("rows do not divide the windows", expected=f"rows that divide {self.windows}")
        return self

    @property
    def width(self) -> int:
        """Pixels from the left side of the first window of a row to the right side of the last."""
        return self.side + (self.windows // self.rows - 1) * self.shift

    @property
    def height(self) -> int:
        """Pixels from the upper side of the first row to the lower side of the last."""
        return self.side + (self.rows - 1) * self.shift

    def corner(self, number: int) -> tuple[int, int]:
        """Row and column of the first pixel of a window, which are counted from 1."""
        row, column = divmod(number - 1, self.windows // self.rows)
        return row * self.shift, column * self.shift


@SOURCES.register("image-patches")
class ImagePatchesStimuli(Stimuli):
    """Trials of one step, cut from photographs of mean 0 and standard deviation 1."""

    table = ImagePatches
    steps = 1

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        self._table = cast(ImagePatches, protocol.stimulus)
        self._images = photographs(self._table.centre)
        self._refuse_too_large(protocol.name)
        self._places = {split: self._drawn(split, generator(seed, "image-patches", split)) for split in SPLITS}
        self._aperture = aperture(self._table.side, self._table.aperture)

    def _drawn(self, split: Split, rng: np.random.Generator) -> np.ndarray:
        """(trial, 3): photograph, first row and first column of its patches."""
        number, (images, rows, _) = self._table.number, self._images.shape
        first, last = self._columns(split)
        corners = (
            rng.integers(images, size=number),
            rng.integers(rows - self._table.height + 1, size=number),
            rng.integers(first, last - self._table.width + 1, size=number),
        )
        return np.stack(corners, axis=1)

    def _columns(self, split: Split) -> tuple[int, int]:
        """The first column of the part of a split, and the one after its last."""
        first, last = (int(share * self._images.shape[2]) for share in PARTS[split])
        return first, last

    def _refuse_too_large(self, source: str) -> None:
        """DescriptionError for windows that do not fit side by side into the part of every split."""
        narrowest = min(last - first for first, last in map(self._columns, SPLITS))
        (height, width), rows = (self._table.height, self._table.width), self._images.shape[1]
        if height > rows or width > narrowest:
            raise DescriptionError(
                "do not fit into the part of a photograph that a split has",
                source=source,
                key="stimulus.windows",
                found=f"{height} × {width} pixels in all",
                expected=f"up to {rows} × {narrowest}",
                hint="fewer windows, other rows, a smaller side or shift",
            )

    @property
    def channels(self) -> dict[str, Channel]:
        return {f"window-{number}": Channel(self._table.side**2) for number in range(1, self._table.windows + 1)}

    def size(self, split: Split) -> int:
        return self._table.number

    def given(self, split: Split, trials: np.ndarray, channel: str) -> np.ndarray:
        image, row, column = self._places[split][trials].T[..., None, None]
        pixels = np.arange(self._table.side)
        down, right = self._table.corner(int(channel.removeprefix("window-")))
        patches = self._images[image, row + down + pixels[:, None], column + right + pixels] * self._aperture
        return patches.reshape(1, len(trials), -1).astype(np.float32)

    def content(self, split: Split) -> Iterator[np.ndarray]:
        yield self._images
        yield self._places[split]


def photographs(centre: float = 1.0) -> np.ndarray:
    """(image, row, column): grey, filtered by a difference of Gaussians, scaled to a standard deviation of 1.

    centre  width of the smaller Gaussian in pixels
    """
    # Each takes a second to import.
    from scipy.ndimage import gaussian_filter
    from sklearn.datasets import load_sample_images

    grey = np.stack(load_sample_images().images).astype(float).mean(axis=-1)
    widths = [(0, width, width) for width in (centre, SURROUND * centre)]
    filtered = gaussian_filter(grey, widths[0]) - gaussian_filter(grey, widths[1])
    return (filtered - filtered.mean((1, 2), keepdims=True)) / filtered.std((1, 2), keepdims=True)


def aperture(side: int, deviation: float) -> np.ndarray:
    """(side, side): a Gaussian about the centre, 1 at its peak."""
    distance = np.arange(side) - (side - 1) / 2
    return np.exp(-(distance[:, None] ** 2 + distance**2) / (2 * deviation**2))
