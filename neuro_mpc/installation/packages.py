"""Python, and the packages that the installed one asks for, and its extras: looked up before they are imported."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from neuro_mpc import __version__
from neuro_mpc.errors import RunError
from neuro_mpc.installation.finding import Finding

DISTRIBUTION = "neuro-mpc"
# Those for users; the others are for who changes the code.
EXTRAS = {
    "nwb": "runs in files of Neurodata Without Borders: neuro-mpc export",
    "zarr": "data of one's own in Zarr stores",
    "neurogym": "tasks of NeuroGym as stimuli",
    "sweep": "members of a sweep on a cluster",
}


def examined() -> Iterator[Finding]:
    """The package itself, Python, the packages that it needs, their import in another process, and its extras."""
    yield Finding("neuro_mpc", "ok", f"{__version__} in {Path(__file__).parents[1]}")
    try:
        installed = importlib.metadata.metadata(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        yield Finding("packages", "failed", "the package is not installed, only on the path", "pip install .")
        return
    yield python(installed["Requires-Python"] or "")
    required = [Requirement(text) for text in importlib.metadata.requires(DISTRIBUTION) or []]
    packages = needed([each for each in required if not each.marker or each.marker.evaluate({"extra": ""})])
    yield packages
    if packages.state == "ok":
        yield simulator()
    for name, purpose in EXTRAS.items():
        yield extra(name, purpose, [each for each in required if _belongs(each, name)])


def python(accepted: str) -> Finding:
    """This Python, and whether it is one of those that the package accepts."""
    found = f"{platform.python_version()}, {sys.executable}, {platform.platform()}"
    if SpecifierSet(accepted).contains(platform.python_version(), prereleases=True):
        return Finding("Python", "ok", found)
    return Finding("Python", "failed", found, f"a Python {accepted}")


def needed(required: Iterable[Requirement]) -> Finding:
    """The packages without which nothing works, with their versions."""
    return _found("packages", list(required), "pip install --upgrade neuro-mpc", "failed")


def simulator() -> Finding:
    """Whether Brian2 can be imported where simulations run: in a process that leaves out the current folder."""
    from neuro_mpc.networks.usable import try_to_import  # which needs what may be missing

    try:
        try_to_import()
    except RunError as error:
        return Finding("simulator", "failed", error.problem, error.hint)
    return Finding("simulator", "ok", "a process of its own imports Brian2")


def extra(name: str, purpose: str, required: list[Requirement]) -> Finding:
    """An extra, which is absent as soon as one of its packages is."""
    found = _found(f"extra {name}", required, f"pip install 'neuro-mpc[{name}]'", "absent")
    return found if found.state == "ok" else Finding(found.name, found.state, f"for {purpose}", found.hint)


def _found(name: str, required: list[Requirement], hint: str, otherwise: Literal["absent", "failed"]) -> Finding:
    versions = {each.name: _version(each.name) for each in required}
    wrong = [each for each in required if not _fits(each, versions[each.name])]
    if not wrong:
        return Finding(name, "ok", ", ".join(f"{package} {version}" for package, version in versions.items()))
    lines = [f"{each.name} {versions[each.name] or 'is missing'}, needed: {each.specifier or 'any'}" for each in wrong]
    return Finding(name, otherwise, "\n".join(lines), hint)


def _fits(requirement: Requirement, version: str) -> bool:
    return bool(version) and requirement.specifier.contains(version, prereleases=True)


def _belongs(requirement: Requirement, extra_name: str) -> bool:
    """Whether an extra asks for a package that is not asked for without it."""
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra_name}) and not marker.evaluate({"extra": ""})


def _version(package: str) -> str:
    """The installed version, "" where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
