"""Loading, changing and saving circuits and protocols, by name or path, with settings of the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from neuro_mpc.descriptions import shipped as shipped_files
from neuro_mpc.descriptions.circuit import Circuit, with_shipped_synapses
from neuro_mpc.descriptions.other_names import OF_A_RUN, PATHS
from neuro_mpc.descriptions.overrides import overridden, prefix
from neuro_mpc.descriptions.settings import takes_text, written_value
from neuro_mpc.descriptions.structure import fields
from neuro_mpc.descriptions.tables import Table
from neuro_mpc.descriptions.toml_text import read_toml
from neuro_mpc.errors import DescriptionError, did_you_mean, file_beside, path_argument
from neuro_mpc.system import files

if TYPE_CHECKING:
    from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol

    AnyProtocol = Protocol | ExperimentProtocol

Description = TypeVar("Description", bound="Circuit | Protocol | ExperimentProtocol")
SWAPPED = shipped_files.SWAPPED
# Tables that tell a circuit from a protocol, where one is given in place of the other.
TABLES_OF = {"circuit": {"population", "projection", "synapse"}, "protocol": {"stimulus", "learning", "experiment"}}
NETCDF = (b"\x89HDF", b"CDF\x01", b"CDF\x02", b"CDF\x05")
KEY = re.compile(r"(circuit|protocol)((?:\.[A-Za-z0-9_-]+)+)")
QUOTES = ('"', "'")


def load_circuit(name_or_path: str | Path, overrides: Mapping[str, object] | None = None) -> Circuit:
    """The circuit of a shipped name or a TOML file.

    Parameters
    ----------
    name_or_path : str or path
        A name that ``neuro-mpc list`` shows, or the path of a TOML file.
    overrides : mapping of str to object, optional
        Dotted path → value, such as ``{"population.hidden.size": 50}``; the path may begin with ``circuit.``.

    Returns
    -------
    Circuit
        The checked circuit.

    Raises
    ------
    DescriptionError
        The file is missing or no circuit; names file, key, what was found and what was expected.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.load_circuit("mpl", {"population.hidden.size": 50}).population["hidden"].size
    50
    """
    tables, source = _read("circuit", name_or_path)
    # Filled in before the settings, so that these can change parameters of shipped types.
    return _described(Circuit, with_shipped_synapses(tables), overrides or {}, source)


def load_protocol(
    name_or_path: str | Path, overrides: Mapping[str, object] | None = None
) -> Protocol | ExperimentProtocol:
    """The protocol of a shipped name or a TOML file.

    Parameters
    ----------
    name_or_path : str or path
        A name that ``neuro-mpc list`` shows, or the path of a TOML file.
    overrides : mapping of str to object, optional
        Dotted path → value, such as ``{"learning.batch": 50}``; the path may begin with ``protocol.``.

    Returns
    -------
    Protocol or ExperimentProtocol
        The checked protocol. One with an experiment and without a stimulus is an `ExperimentProtocol`: it needs a run
        to start from.

    Raises
    ------
    DescriptionError
        The file is missing or no protocol; names file, key, what was found and what was expected.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.load_protocol("toy-language", {"learning.batch": 50}).learning.batch
    50
    """
    tables, source = _read("protocol", name_or_path)
    whole, experiment = _protocols()
    if "experiment" in tables and "stimulus" not in tables:
        return _described(experiment, tables, overrides or {}, source)
    return _described(whole, tables, overrides or {}, source)


def changed(description: Description, overrides: Mapping[str, object]) -> Description:
    """A copy of a circuit or a protocol with other values.

    Parameters
    ----------
    description : Circuit or Protocol
        What is copied; it stays as it is.
    overrides : mapping of str to object
        Dotted path → value, as for `load_circuit` and `load_protocol`.

    Returns
    -------
    Circuit or Protocol
        The changed copy, checked.

    Raises
    ------
    DescriptionError
        A path names no field, or the values do not fit.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.changed(nm.load_circuit("mpl"), {"population.hidden.size": 50}).population["hidden"].size
    50
    """
    model = type(description)
    return _described(model, description.tables(), overrides, description.name)


def as_circuit(circuit: Circuit | str | os.PathLike[str]) -> Circuit:
    """The circuit itself, or that of a name or path."""
    return _described_by("circuit", circuit, Circuit, load_circuit)


def as_protocol(protocol: AnyProtocol | str | os.PathLike[str]) -> AnyProtocol:
    """The protocol itself, or that of a name or path."""
    return _described_by("protocol", protocol, _protocols(), load_protocol)


def _described_by(kind: str, description: Any, models: Any, load: Callable[[Any], Any]) -> Any:
    if isinstance(description, models):
        return description
    if isinstance(description, (str, os.PathLike)):
        return load(description)
    swapped = isinstance(description, (Circuit, *_protocols()))
    raise DescriptionError(
        f"is not a {kind}",
        key=kind,
        found=type(description).__name__,
        expected=f"a {kind}, its name, or the path of its TOML file",
        hint=SWAPPED if swapped else f"nm.load_{kind}",
    )


def save_circuit(circuit: Circuit, path: str | Path) -> None:
    """Write the TOML from which `load_circuit` makes an equal circuit.

    Parameters
    ----------
    circuit : Circuit
        The circuit to save.
    path : str or path
        The file, which is replaced.

    Raises
    ------
    DescriptionError
        The file cannot be written.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> circuit = nm.load_circuit("mpl", {"population.hidden.size": 50})
    >>> nm.save_circuit(circuit, "small.toml")
    >>> nm.load_circuit("small.toml") == circuit
    True
    """
    _save(circuit, path)


def save_protocol(protocol: Protocol, path: str | Path) -> None:
    """Write the TOML from which `load_protocol` makes an equal protocol.

    Parameters
    ----------
    protocol : Protocol or ExperimentProtocol
        The protocol to save.
    path : str or path
        The file, which is replaced.

    Raises
    ------
    DescriptionError
        The file cannot be written.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> protocol = nm.load_protocol("toy-language", {"learning.epochs": 1})
    >>> nm.save_protocol(protocol, "short.toml")
    >>> nm.load_protocol("short.toml") == protocol
    True
    """
    _save(protocol, path)


def shipped(kind: str) -> dict[str, str]:
    """name → first line of the description of every shipped "circuit", "protocol" or "synapse" type."""
    descriptions = {name: read_toml(path).get("description", "") for name, path in shipped_files.files(kind).items()}
    return {name: next(iter(str(text).splitlines()), "") for name, text in descriptions.items()}


def parse_settings(settings: Iterable[str]) -> tuple[dict[str, object], dict[str, object]]:
    """The overrides of circuit and protocol in texts such as ``circuit.population.hidden.size=50``.

    A value is one of TOML, or a number as Python writes it; anything else, and any value of a field of text, is text.
    Raises DescriptionError for any other form, and for a key with two values.
    """
    overrides: dict[str, dict[str, object]] = {"circuit": {}, "protocol": {}}
    for setting in settings:
        key, equals, value = setting.partition("=")
        form = KEY.fullmatch(key.strip())
        if not equals or not form:
            raise _unknown_setting(setting, key)
        path, text = form[2].removeprefix("."), value.strip()
        is_text = takes_text(Circuit if form[1] == "circuit" else _protocols()[0], path.split("."))
        new = text if is_text and not text.startswith(QUOTES) else written_value(text)
        before = overrides[form[1]].setdefault(path, new)
        if before is not new and before != new:  # nan is unequal to itself
            raise DescriptionError(
                "is set twice",
                source="--set",
                key=key.strip(),
                found=f"{before} and {new}",
                expected="one value",
                hint="neuro-mpc sweep with --over, to run it with each of several values",
            )
    return overrides["circuit"], overrides["protocol"]


def _unknown_setting(setting: str, key: str) -> DescriptionError:
    return DescriptionError(
        "not a setting",
        source="--set",
        found=setting,
        hint=_meant(setting, key.strip().partition(".")[0]),
        expected="circuit.KEY=VALUE or protocol.KEY=VALUE, such as protocol.learning.batch=50",
    )


def _meant(setting: str, start: str) -> str:
    """What a text that is no setting may stand for: one without `circuit.` or `protocol.`, or an option."""
    protocol, _ = _protocols()
    kinds = [prefix(model) for model in (Circuit, protocol) if start in fields(model)]
    if len(kinds) == 1:
        return f"did you mean {f'{kinds[0]}.{setting}'!r}?"
    if start in OF_A_RUN:
        return OF_A_RUN[start]
    path = PATHS.get(start, "")
    if path.partition(".")[0] in fields(protocol):
        return f"did you mean {f'protocol.{path}'!r}?"
    return did_you_mean(start, ["circuit", "protocol"]) if start not in ("circuit", "protocol") else ""


def _protocols() -> tuple[type[Protocol], type[ExperimentProtocol]]:
    """The tables of protocols, which to make takes as long as those of circuits: these are often loaded alone."""
    from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol

    return Protocol, ExperimentProtocol


def _read(kind: str, name_or_path: str | Path) -> tuple[dict[str, Any], str]:
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise _no_name(kind, name_or_path)
    text = os.fspath(name_or_path)
    is_path = isinstance(name_or_path, os.PathLike) or text.endswith(".toml") or os.sep in text
    if text and not is_path and text not in shipped_files.files(kind) and Path(text).is_dir():
        raise DescriptionError(f"is a folder, not a {kind}", source=text, expected="a name, or the path of a TOML file")
    if not is_path and (text in shipped_files.files(kind) or not Path(text).is_file()):
        path, source = shipped_files.file_of(kind, text), shipped_files.shown_path(kind, text)
    else:
        path, source = Path(os.path.expanduser(text)), text
    _refuse_run_file(kind, path)
    try:
        tables = read_toml(path, source)
    except DescriptionError as problem:
        if not path.exists():
            shipped = path.stem in shipped_files.files(kind)
            problem.hint = f"{path.stem}, which comes with the package" if shipped else file_beside(path)
        raise
    _refuse_other_kind(kind, tables, source)
    return _beside(path, tables) if is_path or path.name == text else tables, source


def _no_name(kind: str, given: object) -> DescriptionError:
    """The error of something else in the place of a name or a path, with what takes that."""
    hint = f"nm.{kind.capitalize()}(**tables)" if isinstance(given, Mapping) else ""
    if isinstance(given, (Circuit, *_protocols())):
        hint = "it as it is, or nm.changed for a copy with other values"
    return DescriptionError(
        "is not a name or a path",
        key=kind,
        found=type(given).__name__,
        expected=f"the name of a {kind}, or the path of its TOML file",
        hint=hint,
    )


def _beside(path: Path, tables: dict[str, Any]) -> dict[str, Any]:
    """The tables with the data and the masks that they name relative to their file as whole paths."""
    folder = path.absolute().parent
    return _masks_beside(folder, _data_beside(folder, tables))


def _masks_beside(folder: Path, tables: dict[str, Any]) -> dict[str, Any]:
    projections = tables.get("projection")
    for projection in projections.values() if isinstance(projections, dict) else ():
        connect = projection.get("connect") if isinstance(projection, dict) else None
        if not isinstance(connect, dict):
            continue
        mask = connect.get("mask")
        if isinstance(mask, str) and not mask.startswith("~"):
            connect["mask"] = os.path.normpath(folder / mask)
    return tables


def _data_beside(folder: Path, tables: dict[str, Any]) -> dict[str, Any]:
    data_dir = tables.get("data_dir")
    if not isinstance(data_dir, str) or not data_dir or data_dir.startswith("~"):
        return tables
    folder = folder / data_dir
    # Before, such a folder was relative to the current one.
    elsewhere = not folder.is_dir() and Path(data_dir).is_dir()
    return tables if elsewhere else {**tables, "data_dir": os.path.normpath(folder)}


def _refuse_run_file(kind: str, path: Path) -> None:
    """A run file holds both descriptions, and is the place to start from."""
    try:
        with path.open("rb") as file:
            is_run = file.read(4) in NETCDF
    except (OSError, ValueError):  # reported by whatever reads it
        return
    if is_run:
        hint = f"a run that starts from it: --from {path}; what it holds: neuro-mpc report {path}"
        hint = hint if kind == "circuit" else "a name or the path of a TOML file"
        raise DescriptionError(f"is a run file, not a {kind}", source=str(path), expected="TOML", hint=hint)


def _refuse_other_kind(kind: str, tables: Mapping[str, Any], source: str) -> None:
    other = "protocol" if kind == "circuit" else "circuit"
    if tables.keys() & TABLES_OF[other] and not tables.keys() & TABLES_OF[kind]:
        raise DescriptionError(f"is a {other}, not a {kind}", source=source, hint=SWAPPED)


def _save(description: Circuit | Protocol, path: str | Path) -> None:
    path = path_argument("path", path)
    try:
        files.write(path, description.to_toml())
    except OSError as error:
        raise DescriptionError(f"cannot be written: {error.strerror or error}", source=str(path)) from None


def _described(
    model: type[Description], tables: Mapping[str, Any], overrides: Mapping[str, object], source: str
) -> Description:
    """The description with its overrides; errors that these cause are not blamed on the file."""
    if not isinstance(overrides, Mapping):
        raise DescriptionError("are not a mapping", key="overrides", found=overrides, expected="dotted key → value")
    start = f"{prefix(model)}."
    overrides = {str(key).removeprefix(start): value for key, value in overrides.items()}
    new = overridden(model, tables, overrides)
    try:
        return model.from_tables(new, source)
    except DescriptionError as error:
        if overrides and _is_sound(model, tables):
            for problem in error.problems:
                problem.source, problem.key = "--set", f"{start}{problem.key}".rstrip(".")
            error.source = "--set"
        raise


def _is_sound(model: type[Table], tables: Mapping[str, Any]) -> bool:
    """Whether a file without overrides is a description."""
    try:
        model.from_tables(tables)
    except DescriptionError:
        return False
    return True
