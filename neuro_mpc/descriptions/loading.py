"""Loading, changing and saving circuits and protocols, by name or path, with settings of the command line."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from neuro_mpc import files
from neuro_mpc.descriptions import shipped as shipped_files
from neuro_mpc.descriptions.circuit import Circuit, with_shipped_synapses
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.descriptions.settings import takes_text, written_value
from neuro_mpc.descriptions.tables import Table, fields, inner, open_table
from neuro_mpc.descriptions.toml_text import read_toml
from neuro_mpc.errors import DescriptionError, did_you_mean

Description = TypeVar("Description", bound=Circuit | Protocol | ExperimentProtocol)
AnyProtocol = Protocol | ExperimentProtocol
SWAPPED = shipped_files.SWAPPED
# By these tables a file is known that was given in the place of the other kind.
TABLES_OF = {"circuit": {"population", "projection", "synapse"}, "protocol": {"stimulus", "learning", "experiment"}}
NETCDF = (b"\x89HDF", b"CDF\x01", b"CDF\x02", b"CDF\x05")
KEY = re.compile(r"(circuit|protocol)((?:\.[A-Za-z0-9_-]+)+)")
# Of these only one can be given: setting one takes the other of the file away.
QUOTES = ('"', "'")
ALTERNATIVES = [
    ("learning.epochs", "learning.presentations"),
    ("learning.schedule.every", "learning.schedule.every_presentations"),
]


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
    model = ExperimentProtocol if "experiment" in tables and "stimulus" not in tables else Protocol
    return _described(model, tables, overrides or {}, source)


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
    return _described_by("protocol", protocol, (Protocol, ExperimentProtocol), load_protocol)


def _described_by(kind: str, given: Any, models: Any, load: Callable[[Any], Any]) -> Any:
    if isinstance(given, models):
        return given
    if isinstance(given, (str, os.PathLike)):
        return load(given)
    swapped = isinstance(given, (Circuit, Protocol, ExperimentProtocol))
    raise DescriptionError(
        f"is not a {kind}",
        key=kind,
        found=type(given).__name__,
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
    """name → first line of the description of every "circuit" or "protocol" that comes with the package."""
    described = {name: read_toml(path).get("description", "") for name, path in shipped_files.files(kind).items()}
    return {name: next(iter(str(text).splitlines()), "") for name, text in described.items()}


def parse_settings(settings: Iterable[str]) -> tuple[dict[str, object], dict[str, object]]:
    """The overrides of circuit and protocol in texts such as ``circuit.population.hidden.size=50``.

    A value is one of TOML, or a number as Python writes it; anything else, and any value of a field of text, is text.
    Raises DescriptionError for any other form.
    """
    overrides: dict[str, dict[str, object]] = {"circuit": {}, "protocol": {}}
    for setting in settings:
        key, equals, value = setting.partition("=")
        form = KEY.fullmatch(key.strip())
        if not equals or not form:
            raise _unknown_setting(setting, key)
        path, text = form[2].removeprefix("."), value.strip()
        is_text = takes_text(Circuit if form[1] == "circuit" else Protocol, path.split("."))
        overrides[form[1]][path] = text if is_text and not text.startswith(QUOTES) else written_value(text)
    return overrides["circuit"], overrides["protocol"]


def _unknown_setting(setting: str, key: str) -> DescriptionError:
    start = key.strip().partition(".")[0]
    near = did_you_mean(start, ["circuit", "protocol"]) if start not in ("circuit", "protocol") else ""
    return DescriptionError(
        "not a setting",
        source="--set",
        found=setting,
        hint=near,
        expected="circuit.KEY=VALUE or protocol.KEY=VALUE, such as protocol.learning.batch=50",
    )


def _read(kind: str, name_or_path: str | Path) -> tuple[dict[str, Any], str]:
    text = os.fspath(name_or_path)
    is_path = isinstance(name_or_path, os.PathLike) or text.endswith(".toml") or os.sep in text
    if not is_path and (text in shipped_files.files(kind) or not Path(text).is_file()):
        path, source = shipped_files.file_of(kind, text), shipped_files.shown_path(kind, text)
    else:
        path, source = Path(os.path.expanduser(text)), text
    _refuse_run_file(kind, path)
    tables = read_toml(path, source)
    _refuse_other_kind(kind, tables, source)
    return _beside(path, tables) if is_path or path.name == text else tables, source


def _beside(path: Path, tables: dict[str, Any]) -> dict[str, Any]:
    """The tables with the folder of data that they name relative to their file as a whole path."""
    named = tables.get("data_dir")
    if not isinstance(named, str) or not named or named.startswith("~"):
        return tables
    folder = path.absolute().parent / named
    # Before, such a folder was relative to the current one.
    elsewhere = not folder.is_dir() and Path(named).is_dir()
    return tables if elsewhere else {**tables, "data_dir": os.path.normpath(folder)}


def _refuse_run_file(kind: str, path: Path) -> None:
    """A run file holds both descriptions, and is the place to start from."""
    try:
        with path.open("rb") as file:
            is_run = file.read(4) in NETCDF
    except (OSError, ValueError):  # told by who reads it
        return
    if is_run:
        hint = f"a run that starts from it: --from {path}" if kind == "circuit" else "a name or the path of a TOML file"
        raise DescriptionError(f"is a run file, not a {kind}", source=str(path), expected="TOML", hint=hint)


def _refuse_other_kind(kind: str, tables: Mapping[str, Any], source: str) -> None:
    other = "protocol" if kind == "circuit" else "circuit"
    if tables.keys() & TABLES_OF[other] and not tables.keys() & TABLES_OF[kind]:
        raise DescriptionError(f"is a {other}, not a {kind}", source=source, hint=SWAPPED)


def _save(description: Circuit | Protocol, path: str | Path) -> None:
    try:
        files.write(path, description.to_toml())
    except OSError as error:
        raise DescriptionError(f"cannot be written: {error.strerror or error}", source=str(path)) from None


def _described(
    model: type[Description], tables: Mapping[str, Any], overrides: Mapping[str, object], source: str
) -> Description:
    """The description with its overrides; what these break is no fault of the file."""
    start = f"{_prefix(model)}."
    overrides = {str(key).removeprefix(start): value for key, value in overrides.items()}
    new = _overridden(model, tables, overrides)
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


def _prefix(model: type[Table]) -> str:
    return "circuit" if model is Circuit else "protocol"


def _overridden(model: type[Table], tables: Mapping[str, Any], overrides: Mapping[str, object]) -> dict[str, Any]:
    new = copy.deepcopy(dict(tables))
    if model is Protocol:
        _without_alternatives(new, overrides)
    _without_other_kinds(model, new, overrides)
    for key, value in overrides.items():
        _set(model, new, key, value)
    return new


def _without_alternatives(tables: Mapping[str, Any], overrides: Mapping[str, object]) -> None:
    for pair in ALTERNATIVES:
        for key, other in (pair, pair[::-1]):
            if key in overrides and other not in overrides:
                _remove(tables, other)


def _without_other_kinds(model: type[Table], tables: dict[str, Any], overrides: Mapping[str, object]) -> None:
    """Another source of stimuli, kind of experiment or scheme keeps the keys that all have, and begins with its own."""
    for key, value in overrides.items():
        table, _, tag = key.rpartition(".")
        before, kinds = tables.get(table), open_table(fields(model).get(table))
        if not kinds or tag != kinds.tag or not isinstance(before, dict) or before.get(tag) == value:
            continue
        if inner(kinds, {tag: value}):
            common = {name: entry for name, entry in before.items() if name in fields(kinds)}
            tables[table] = {**common, tag: value}


def _set(model: type[Table], tables: dict[str, Any], key: str, value: object) -> None:
    """Sets a dotted key; every table on its way has to be one of the description, or one that is left out."""
    here, what = tables, model
    *way, last = key.split(".")
    for depth, part in enumerate(way):
        path = f"{_prefix(model)}.{'.'.join(way[: depth + 1])}"
        _require(what, here, part, path, may_be_new=False)
        annotation, what = _within(what, part, here.get(part))
        here = here.setdefault(part, {})
        if what is None and isinstance(here, dict):
            _refuse_unknown_form(annotation, here, path)
        if what is None or not isinstance(here, dict):
            raise DescriptionError("is a value, not a table", source="--set", key=path, hint=f"{path}=VALUE")
    _require(what, here, last, f"{_prefix(model)}.{key}", may_be_new=isinstance(value, Mapping))
    here[last] = value


def _remove(tables: Mapping[str, Any], key: str) -> None:
    """Removes a dotted key where it is there."""
    *way, last = key.split(".")
    here: Any = tables
    for part in way:
        here = here.get(part) if isinstance(here, dict) else None
    if isinstance(here, dict):
        here.pop(last, None)


def _require(what: Any, here: Mapping[str, Any], part: str, path: str, may_be_new: bool) -> None:
    """Refuses a part of a key that names no field of a table, and no entry of a table of named tables."""
    if not isinstance(what, tuple):
        known = list(fields(what))
    elif isinstance(what[0], type):
        known = list(here)
    else:
        known = [part]
    if part not in known and not (may_be_new and isinstance(what, tuple)):
        raise DescriptionError(
            "unknown key",
            source="--set",
            key=path,
            found=part,
            expected=", ".join(known),
            hint=did_you_mean(part, known),
        )


def _refuse_unknown_form(annotation: Any, table: Mapping[str, Any], path: str) -> None:
    """Refuses the source, kind, scheme or optimiser of a table if nothing has its name."""
    if kinds := open_table(annotation):
        try:
            kinds.registry.get(table.get(kinds.tag, kinds.default_tag))
        except DescriptionError as error:
            error.source, error.key = "--set", f"{path}.{kinds.tag}"
            raise


def _within(what: Any, part: str, value: object) -> tuple[Any, Any]:
    """The annotation of a part of a key, and what it holds where it has this value."""
    annotation = what[0] if isinstance(what, tuple) else fields(what)[part]
    return annotation, inner(annotation, value)
