"""Variables of a running network by group and name, as labelled arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from neuro_mpc.errors import RunError, did_you_mean
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.program import Program

NEURAL, SYNAPTIC, PER_TRIAL = ("step", "trial", "unit"), ("post", "pre"), ("trial",)
KINDS = ("stimulus", "constant", "belief", "prediction", "error", "positive_error", "negative_error", "label")


@dataclass(frozen=True)
class Place:
    """A variable of a program: its name there, its shape and dimensions, and the rows on which it lies, if any."""

    name: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    rows: str = ""


class Variables:
    """Reads and sets the variables that groups store; a linked one is that of its owner.

    groups   the Brian2 groups by name
    """

    def __init__(self, program: Program, plan: Plan, groups: Mapping[str, Any]):
        self.program, self.groups = program, groups
        self._trials = plan.trials
        self._rows: dict[str, str] = {}  # group → whose rows it has
        for population in plan.circuit.population:
            for kind in KINDS:
                rows = plan.label(population) if kind == "label" else population
                self._rows[plan.group_name(population, kind)] = rows

    def get(self, group: str, variable: str) -> xr.DataArray:
        place = self.place(group, variable)
        if place.rows:
            values = self.program.get_rows(place.rows, place.name)
        else:
            values = self.program.get(place.name)[0].reshape(place.shape)
        return xr.DataArray(values, dims=place.dims, name=variable)

    def set(self, group: str, variable: str, value: ArrayLike) -> Place:
        """Sets a variable; RunError where the value has another shape. Returns where it lies."""
        place = self.place(group, variable)
        array = np.asarray(value, dtype=self.program.manifest.variables[place.name][0])
        try:
            array = np.broadcast_to(array, place.shape)
        except ValueError:
            words = ", ".join(f"{length} {name}s" for length, name in zip(place.shape, place.dims))
            raise RunError(f"an array of shape {array.shape} for {group}.{variable}", hint=words) from None
        if place.rows:
            before = self.program.get_rows(place.rows, place.name, with_history=True)[: -place.shape[0]]
            self.program.set_rows(place.rows, place.name, array, before)
        else:
            self.program.set(**{place.name: array})
        return place

    def group(self, name: str) -> Any:
        """A group; RunError where there is none of that name."""
        if name not in self.groups:
            raise RunError(
                f"there is no group {name!r}", hint=did_you_mean(name, self.groups) or ", ".join(self.groups)
            )
        return self.groups[name]

    def place(self, group: str, variable: str) -> Place:
        """Where a variable lies; RunError for what no group stores."""
        found = self.group(group).variables.get(variable)
        owner = getattr(getattr(found, "owner", None), "name", group)
        name = variable if owner == "control" else f"{owner}_{variable}"
        known = self.program.manifest.variables
        if name not in known:
            raise self._unknown(group, variable)
        if owner in self._rows:
            rows = self.program.rows[self._rows[owner]]
            return Place(name, (rows.steps, self._trials, rows.units), NEURAL, self._rows[owner])
        if owner != "control":
            return Place(name, self.groups[owner].shape, SYNAPTIC)
        is_scalar = self.groups[owner].variables[variable].scalar
        return Place(name, (), ()) if is_scalar else Place(name, (known[name][1],), PER_TRIAL)

    def _unknown(self, group: str, variable: str) -> RunError:
        prefix = "" if group == "control" else f"{group}_"
        stored = [name for name in self.groups[group].variables if f"{prefix}{name}" in self.program.manifest.variables]
        return RunError(f"{group} stores no {variable!r}", hint=did_you_mean(variable, stored) or ", ".join(stored))
