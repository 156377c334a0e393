"""The trials of each split of a data set: by a variable of the data, or by shares and chance."""

from __future__ import annotations

import math
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
    group    a variable of the data: trials, or steps of a recording, with the same value stay in one split
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
                raise self._empty(split, parts[split], self._held_together(dataset, axes))
        return cuts

    def _cut(self, stretches: np.ndarray, axes: Axes) -> np.ndarray:
        length = self.cutting.window or axes.steps
        if self.cutting.streams:
            return windows.streams(stretches, length, self.cutting.streams)
        return windows.windows(stretches, length, self.cutting.stride or length)

    def _stretches(self, dataset: xr.Dataset, axes: Axes) -> dict[Split, np.ndarray]:
        """split → the recordings, or the parts of the only one, that it consists of."""
        group = self._groups(dataset, axes)
        if self.split in dataset.variables:
            split_of = self._own(dataset[self.split].variable, axes)
            if self.group:
                self._refuse_parted(np.unique(dataset[self.group].values), group, split_of)
        elif self.group or axes.trials > 1:
            split_of = splits.shuffled(group.max() + 1, *self._held_out, self.seed)[group]
        else:
            split_of = splits.in_order(axes.steps, *self._held_out)
        if split_of.ndim == 2:
            return splits.of_steps(split_of, np.broadcast_to(group[:, None], split_of.shape))
        if axes.trial and (self.group or axes.trials > 1 or self.split in dataset.variables):
            return splits.of_recordings(split_of, axes.steps)
        return splits.of_steps(split_of[None], group[None])

    @property
    def _held_out(self) -> tuple[float, float]:
        """The shares of validation and test."""
        validation, test = self.shares.validation, self.shares.test
        return splits.VALIDATION if validation is None else validation, splits.TEST if test is None else test

    def _groups(self, dataset: xr.Dataset, axes: Axes) -> np.ndarray:
        """The number of the group of each trial (trial,), or of each step of the only recording (step,)."""
        if not self.group:
            return np.arange(axes.trials) if axes.trials > 1 else np.zeros(axes.steps, int)
        variable, wanted = dataset[self.group].variable, (axes.trial or axes.step,)
        if variable.dims != wanted:
            raise DescriptionError(
                "has other dimensions", source=self.source, key=self.group, found=variable.dims, expected=str(wanted)
            )
        return np.unique(variable.values, return_inverse=True)[1]

    def _refuse_parted(self, names: np.ndarray, group: np.ndarray, split_of: np.ndarray) -> None:
        """DescriptionError where the data put one group into several splits."""
        for number, name in enumerate(names.tolist()):
            found = np.unique(split_of[group == number])
            if len(found) > 1:
                raise DescriptionError(
                    f"puts {self.group} {name!r} into several splits",
                    source=self.source,
                    key=self.split,
                    found=", ".join(SPLITS[each] for each in found),
                    expected=f"one split for each {self.group}, as stimulus.group says",
                    hint='stimulus.group = "", if what is held out may be of the same one',
                )

    def _own(self, variable: xr.Variable, axes: Axes) -> np.ndarray:
        """The number of the split of each recording (trial,), of each step of the only one (step,), or of each step of
        recordings that are cut (trial, step)."""
        place = {"source": self.source, "key": self.split}
        if self.shares.validation is not None or self.shares.test is not None:
            raise DescriptionError(
                "the data say what is held out, and the protocol gives shares, too",
                found=f"the variable {self.split!r}, and stimulus.validation or stimulus.test",
                expected="one of them",
                hint="the protocol without stimulus.validation and stimulus.test",
                **place,
            )
        wanted: list[tuple[str, ...]] = [(axes.trial or axes.step,)]
        if axes.trial and axes.step and self.cutting.window:
            wanted.append((axes.trial, axes.step))
        if variable.dims not in wanted:
            expected = " or ".join(map(str, wanted))
            raise DescriptionError("has other dimensions", found=variable.dims, expected=expected, **place)
        return splits.named(variable.values, variable.attrs, place)

    def _held_together(self, dataset: xr.Dataset, axes: Axes) -> int:
        """How many trials, or groups, are held out as wholes; 0 where the data say the splits, or steps are parted."""
        by_steps = not self.group and axes.trials == 1
        return 0 if by_steps or self.split in dataset.variables else int(self._groups(dataset, axes).max()) + 1

    def _empty(self, split: Split, stretches: np.ndarray, wholes: int) -> DescriptionError:
        steps = int((stretches[:, 2] - stretches[:, 1]).sum())
        if not (self.cutting.window and steps):
            share = "test" if split == "test" else "validation"
            enough = math.ceil(100 / max(wholes, 1)) / 100  # of a share this large, one is held out
            shares = f"stimulus.{share} = {enough:g}" if wholes >= len(SPLITS) else ""
            shares = "smaller ones for validation and test" if wholes and split == "train" else shares
            what = f"values of {self.group!r}" if self.group else "trials"
            return DescriptionError(
                f"the split {split!r} has no trials",
                source=self.source,
                key=self.split,
                found=f"{wholes:,} {what}, parted by shares" if wholes else None,
                expected="one trial or more",
                hint=f"more data, or other shares: {shares}" if shares else f"more data, of which some are for {split}",
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
