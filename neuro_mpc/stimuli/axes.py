"""The dimensions of a data set by their meaning: trials, steps, and units, which are all the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neuro_mpc.errors import DescriptionError, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

TRIAL, STEP, TIME = "trial", "step", "time"


@dataclass(frozen=True)
class Axes:
    """The names of the dimensions of trials and of steps, "" where there is none, and their sizes.

    Without trials the data are one recording; without steps each trial has one.
    """

    trial: str
    step: str
    trials: int
    steps: int

    def units(self, dimensions: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the dimensions that are units."""
        return tuple(name for name in dimensions if name not in (self.trial, self.step))


def axes_of(variables: Mapping[str, xr.Variable], trial: str, step: str, source: str) -> Axes:
    """The axes of channels; `trial` and `step` are the names that the protocol gives, "" for the usual ones.

    Raises DescriptionError for dimensions that are not there, and channels with neither of them.
    """
    sizes = {str(name): size for variable in variables.values() for name, size in variable.sizes.items()}
    trial = _name(sizes, "trial", trial, (TRIAL,), source)
    step = _name(sizes, "step", step, (STEP, TIME), source)
    names = [name for name in (trial, step) if name]
    for channel, variable in variables.items():
        if not {*names} & {*map(str, variable.dims)}:
            raise DescriptionError(
                "has a dimension neither of trials nor of steps",
                source=source,
                key=channel,
                found=_listed(dict(zip(variable.dims, variable.shape))),
                expected=" or ".join(names) or f"{TRIAL}, {STEP} or {TIME}",
                hint='stimulus.trial = "…" or stimulus.step = "…" names them; stimulus.channels = ["…"] selects '
                "variables",
            )
    return Axes(trial, step, sizes.get(trial, 1), sizes.get(step, 1))


def _name(sizes: Mapping[str, int], key: str, given: str, usual: tuple[str, ...], source: str) -> str:
    """The name of the dimension in the data; "" where none has a usual name, nor one that is nearly it."""
    if given in sizes:
        return given
    found = next((name for name in usual if name in sizes), "")
    near = next((hint for name in (given or usual[0], *usual) if (hint := did_you_mean(name, sizes))), "")
    if given or (near and not found):
        raise DescriptionError(
            "the data have no such dimension",
            source=source,
            key=f"stimulus.{key}",
            found=given or f"no {' or '.join(usual)}",
            expected=f"one of {_listed(sizes)}",
            hint=near or f'stimulus.{key} = "…", the name of a dimension',
        )
    return found


def _listed(sizes: Mapping[Any, int]) -> str:
    return ", ".join(f"{name} ({size:,})" for name, size in sizes.items()) or "no dimensions"
