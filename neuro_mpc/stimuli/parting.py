"""The trials of each split of a data set: by a variable of the data, or by shares and chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.errors import DescriptionError, did_you_mean
from neuro_mpc.stimuli import splits, windows
from neuro_mpc.stimuli.axes import Axes
from neuro_mpc.stimuli.cuts import Cutting, Shares
from neuro_mpc.stimuli.interface import SPLITS, Split

if TYPE_CHECKING:
    import xarray as xr

OWN_SPLIT = "split"


@dataclass(frozen=True)
class Parting:
    """How a data set becomes trials.

    shares   what is held out, unless the data say it themselves
    cutting  of recordings
    split    the variable of the data that says it, "split" if they have one
    seed     of the run
    source   of the data, for messages
    needed   the splits of which there must be trials
    group    a variable of the data: trials with the same value stay in one split
    """

    shares: Shares
    cutting: Cutting
    split: str
    seed: int
    source: str
    needed: tuple[Split, ...]
    group: str = ""

    def refuse_unknown(self, dataset: xr.Dataset) -> None:
        """DescriptionError where the data lack the variable of splits or of groups that the protocol names."""
        named = {"split": self.split if self.split != OWN_SPLIT else "", "group": self.group}
        known = list(map(str, dataset.variables))
        for key, name in named.items():
            if name and name not in known:
                raise DescriptionError(
                    "the data have no such variable",
                    source=self.source,
                    key=f"stimulus.{key}",
                    found=name,
                    expected=", ".join(known),
                    hint=did_you_mean(name, known),
                )

    def cuts(self, dataset: xr.Dataset, axes: Axes) -> dict[Split, np.ndarray]:
        """split → the cuts of its trials, (trial, 3); DescriptionError where one has none."""
        parts = self._stretches(dataset, axes)
        cuts: dict[Split, np.ndarray] = {split: self._cut(rows, axes) for split, rows in parts.items()}
        for split in SPLITS:
            stated = bool(len(parts[split])) or bool(getattr(self.shares, split, 0))
            if not len(cuts[split]) and (stated or split in self.needed):
                raise self._empty(split, parts[split])
        return cuts

    def _cut(self, stretches: np.ndarray, axes: Axes) -> np.ndarray:
        length = self.cutting.window or axes.steps
        if self.cutting.streams:
            return windows.streams(stretches, length, self.cutting.streams)
        return windows.windows(stretches, length, self.cutting.stride or length)

    def _stretches(self, dataset: xr.Dataset, axes: Axes) -> dict[Split, np.ndarray]:
        """split → the recordings, or the parts of the only one, that it consists of."""
        if self.split in dataset.variables:
            return splits.stretches(self._own(dataset[self.split].variable, axes), axes.steps)
        validation, test = self.shares.validation, self.shares.test
        validation = splits.VALIDATION if validation is None else validation
        test = splits.TEST if test is None else test
        if axes.trials > 1:
            group = self._groups(dataset, axes)
            return splits.stretches(splits.shuffled(group.max() + 1, validation, test, self.seed)[group], axes.steps)
        return splits.stretches(splits.in_order(axes.steps, validation, test)[None], axes.steps)

    def _groups(self, dataset: xr.Dataset, axes: Axes) -> np.ndarray:
        """The number of the group of each trial, (trial,)."""
        if not self.group:
            return np.arange(axes.trials)
        variable = dataset[self.group].variable
        if variable.dims != (axes.trial,):
            raise DescriptionError(
                "has other dimensions",
                source=self.source,
                key=self.group,
                found=variable.dims,
                expected=str((axes.trial,)),
            )
        return np.unique(variable.values, return_inverse=True)[1]

    def _own(self, variable: xr.Variable, axes: Axes) -> np.ndarray:
        """The number of the split of each recording (trial,), or of each step of the only one (1, step)."""
        place = {"source": self.source, "key": self.split}
        if self.shares.validation is not None or self.shares.test is not None:
            raise DescriptionError(
                "the data say what is held out, and the protocol gives shares, too",
                found=f"the variable {self.split!r}, and stimulus.validation or stimulus.test",
                expected="one of them",
                hint="the protocol without stimulus.validation and stimulus.test",
                **place,
            )
        wanted = (axes.trial or axes.step,)
        if variable.dims != wanted:
            raise DescriptionError("has other dimensions", found=variable.dims, expected=str(wanted), **place)
        numbers = splits.named(variable.values, variable.attrs, place)
        return numbers if axes.trial else numbers[None]

    def _empty(self, split: Split, stretches: np.ndarray) -> DescriptionError:
        steps = int((stretches[:, 2] - stretches[:, 1]).sum())
        if not (self.cutting.window and steps):
            share = "validation" if split == "validation" else "test"
            return DescriptionError(
                f"the split {split!r} has no trials",
                source=self.source,
                key=self.split,
                expected="one trial or more",
                hint=f"more data, or another share: stimulus.{share} = 0.2",
            )
        needed = self.cutting.window * max(1, self.cutting.streams)
        streams = f" in {self.cutting.streams} streams" if self.cutting.streams else ""
        return DescriptionError(
            f"the split {split!r} has no trials",
            source=self.source,
            key="stimulus.window",
            found=f"{steps:,} steps",
            expected=f"{needed:,} steps or more, {self.cutting.window}{streams}",
            hint="a shorter window, or a larger share" + (", or fewer trials in a batch" if streams else ""),
        )
