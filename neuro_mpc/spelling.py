"""How messages name what is asked for: as an option of the command line, or as an argument in Python.

Messages are written with the options of the command line. Told from Python, ``--overwrite`` reads ``overwrite=True``
and ``--set protocol.learning.batch=50`` reads ``nm.load_protocol(…, {"learning.batch": 50})``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_on_command_line = ContextVar("on_command_line", default=False)

VALUE = r"'[^']*'|\[[^]]*\]|\{[^}]*\}|[^\s,;)]*[^\s,;).]"
SETTING = rf"--set (?:circuit|protocol)\.[\w.-]+=(?:{VALUE})"
SETTINGS = re.compile(rf"{SETTING}(?: {SETTING})*")
ONE_SETTING = re.compile(rf"--set (circuit|protocol)\.([\w.-]+)=({VALUE})")
OPTION = re.compile(
    rf"--(?:(?P<flag>overwrite|resume|accept-changes|dry-run|mean-weights)"
    rf"|(?P<given>backend|threads|workers|scheduler|out|from) (?P<value>{VALUE})"
    rf"|(?P<named>set|over|seeds|seed|out|from|backend|threads|workers|scheduler))(?![\w-])"
)
PROJECTION_END = re.compile(r"(?:\w+\.)*projection\.[^.]+\.(from|to)")
NOTATION = [
    (re.compile(r"\bfrom = "), "source="),
    (re.compile(r"\bto = "), "target="),
    (re.compile(r"\b([a-z_]+) = "), r"\1="),
    (re.compile(r"\bdefine \[synapse\.([\w-]+)\]"), r'synapse={"\1": nm.SynapseType(…)}'),
    (re.compile(r"\[(population|projection|synapse)\.NAME\]"), r"\1"),
    (re.compile(r"\btrue or false\b"), "True or False"),
    (re.compile(r"\ba table of keys and values"), "a dict of keys and values"),
]
ARGUMENTS = {"from": "start", "set": "overrides"}


@contextmanager
def command_line(active: bool = True) -> Iterator[None]:
    """Within, messages keep the options of the command line, or, where it is not active, name arguments."""
    before = _on_command_line.set(active)
    try:
        yield
    finally:
        _on_command_line.reset(before)


def on_command_line() -> bool:
    """Whether messages keep the options of the command line; processes and threads have to be told."""
    return _on_command_line.get()


def spelled(message: str) -> str:
    """A message as who reads it would type what it names."""
    return message if _on_command_line.get() else in_python(message)


def fields_of_python(key: str) -> str:
    """The dotted path of a description with the names that its fields have in Python, where those of TOML are words of
    the language: ``from`` is `source`, ``to`` is `target`."""
    found = PROJECTION_END.fullmatch(key)
    if found is None or _on_command_line.get():
        return key
    return f"{key} (in Python {'source' if found[1] == 'from' else 'target'})"


def words_of_python(text: str) -> str:
    """What is expected of a description, or a hint, in the notation of Python in place of that of TOML."""
    if _on_command_line.get():
        return text
    for toml, python in NOTATION:
        text = toml.sub(python, text)
    return text


def in_python(message: str) -> str:
    """A message with arguments in place of options; commands to type in a shell stay."""
    parts = re.split(r"(neuro-mpc [a-z][^;\n]*)", message)
    return "".join(part if number % 2 else _translated(part) for number, part in enumerate(parts))


def _translated(text: str) -> str:
    return OPTION.sub(_argument, SETTINGS.sub(_overrides, text))


def _overrides(found: re.Match[str]) -> str:
    settings = ONE_SETTING.findall(found[0])
    calls = []
    for kind in dict.fromkeys(kind for kind, _, _ in settings):
        pairs = [f'"{key}": {_python_value(value)}' for each, key, value in settings if each == kind]
        calls.append(f"nm.load_{kind}(…, {{{', '.join(pairs)}}})")
    return " and ".join(calls)


def _argument(found: re.Match[str]) -> str:
    if found["flag"]:
        return f"{found['flag'].replace('-', '_')}=True"
    name = found["given"] or found["named"]
    name = ARGUMENTS.get(name, name)
    return f"{name}={_python_value(found['value'])}" if found["given"] else name


def _python_value(text: str) -> str:
    """The Python literal of a value of the command line, with the quotes of a shell or without."""
    text = text.strip("'")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text
    return f'"{value}"' if isinstance(value, str) else repr(value)
