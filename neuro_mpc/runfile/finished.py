"""What a finished run file says of its run in a line, read without xarray, which takes a second to import."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4

from neuro_mpc.examination.netcdf_lock import NETCDF
from neuro_mpc.examination.opening import opened
from neuro_mpc.runfile.labels import MEASURES
from neuro_mpc.runfile.reading import reading


@dataclass(frozen=True)
class Finished:
    """A run that is complete.

    warnings       reasons to read its results with caution
    presentations  learned in it
    measures       the final measure of a training, by name; empty without tests
    experiment     the kind of an experiment on a trained circuit; "" for a training
    start          the run that it started from; "" for none
    """

    warnings: tuple[str, ...]
    presentations: int
    measures: dict[str, float]
    experiment: str
    start: str

    @classmethod
    def read(cls, path: Path) -> Finished:
        """What a file says that was complete before; RunFileError where it cannot be read."""
        with NETCDF, reading(path), opened(path) as file:
            return cls.of(file)

    @classmethod
    def of(cls, file: netCDF4.Dataset) -> Finished:
        """What a file says before it is closed."""
        file.set_auto_mask(False)
        learning, experiment = file["learning"], file.groups.get("experiment")
        evaluated = file["evaluation"].variables if "evaluation" in file.groups else {}
        return cls(
            warnings=tuple(_text(file, "warning").splitlines()),
            presentations=len(learning.dimensions["presentation"]),
            measures=measure_of(tomllib.loads(file.getncattr("protocol")), learning.variables, evaluated),
            experiment="" if experiment is None else _text(experiment, "kind"),
            start=_text(file, "start_run"),
        )


def measure_of(protocol: Mapping[str, Any], tests: Mapping[Any, Any], evaluated: Mapping[Any, Any]) -> dict[str, float]:
    """The final measure of a run, by name: of the evaluation after learning, or the last test; empty without either.

    tests, evaluated   name → values, of every test and after learning
    """
    measure = protocol.get("test", {}).get("measure", "accuracy").replace("-", "_")
    name = next((name for name in (measure, *MEASURES) if name in tests), None)
    if name is None or tests[name].size == 0:
        return {}
    return {name: float(evaluated[name][...] if name in evaluated else tests[name][-1])}


def _text(group: netCDF4.Group | netCDF4.Dataset, name: str) -> str:
    return str(group.getncattr(name)) if name in group.ncattrs() else ""
