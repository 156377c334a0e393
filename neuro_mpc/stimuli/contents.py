"""What the values of a channel are: finite numbers that may be missing, or classes from 0 on without gaps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neuro_mpc.descriptions.circuit_tables import LARGEST
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli.interface import Channel


class Contents:
    """What the values of a channel are, block by block: whether some are missing, and which classes there are.

    names  of the classes or units, where they have some
    place  of the channel in the data, for messages
    """

    def __init__(self, symbolic: bool, width: int, names: tuple[str, ...], place: Mapping[str, str]):
        self._symbolic, self._width, self._names, self._place = symbolic, width, names, place
        self._missing, self._there = False, np.zeros(width, bool)
        self._found = np.zeros(0, bool)

    def add(self, block: np.ndarray) -> None:
        """DescriptionError for a value that none can be."""
        if self._symbolic:
            self._add_classes(block)
            return
        absent = np.isnan(block)
        self._missing |= bool(absent.any())
        self._there |= ~absent.reshape(-1, self._width).all(axis=0)
        if np.isinf(block).any():
            raise DescriptionError(
                "has an infinite value, or one that is too large for single precision",
                expected="finite numbers, and NaN for what is not there",
                **self._place,
            )

    def channel(self) -> Channel:
        """DescriptionError where nothing is there, or classes are left out."""
        if not (self._there.any() or self._found.any()):
            found = "nothing but -1" if self._symbolic else "nothing but NaN"
            raise DescriptionError("has no values", found=found, **self._place)
        if not self._symbolic:
            return Channel(self._width, "values", missing=self._missing, names=self._names)
        self._refuse_gaps()
        classes = len(self._names) or len(self._found)
        return Channel(classes, "classes", True, self._missing, self._names)

    def without_values(self) -> list[str]:
        """The names, or numbers, of the units of values that never have one."""
        silent = [] if self._symbolic else np.flatnonzero(~self._there).tolist()
        return [self._names[unit] if self._names else str(unit) for unit in silent]

    def _add_classes(self, block: np.ndarray) -> None:
        lowest, highest = int(block.min()), int(block.max())
        most = min(LARGEST, len(self._names) or LARGEST)
        if lowest < -1 or highest >= most:
            last = str(len(self._names) - 1) if self._names else "K - 1"
            raise DescriptionError(
                "has classes out of range",
                found=lowest if lowest < -1 else highest,
                expected=f"0 to {last}, and -1 where there is no class",
                hint="floats, if they are values: .astype('float32')",
                **self._place,
            )
        self._missing |= lowest == -1
        found = np.bincount(block[block >= 0], minlength=len(self._found)) > 0
        found[: len(self._found)] |= self._found
        self._found = found

    def _refuse_gaps(self) -> None:
        if self._names or self._found.all():
            return
        absent = int(np.flatnonzero(~self._found)[0])
        numbers = np.flatnonzero(self._found).tolist()
        raise DescriptionError(
            f"has classes that are not numbered from 0 on without gaps: there is no {absent}",
            found=numbers,
            expected=f"0 to {len(numbers) - 1}",
            hint="np.unique(labels, return_inverse=True)[1]; or all their names in the attribute flag_meanings",
            **self._place,
        )
