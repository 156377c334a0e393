"""Values of Python code in the types that TOML has, and tables that stay as they were checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NoReturn

from neuro_mpc.errors import DescriptionError

A_COPY = 'a changed copy, such as nm.changed(circuit, {"population.hidden.size": 50})'


def plain(value: object) -> object:
    """Scalars and arrays of NumPy (and all that turns into them), paths and ranges as numbers, texts and lists."""
    if isinstance(value, Mapping):
        return {plain(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, range)):
        return [plain(each) for each in value]
    if isinstance(value, tuple):
        return tuple(plain(each) for each in value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    for conversion in ("to_numpy", "tolist"):  # xarray and pandas; NumPy
        if callable(convert := getattr(value, conversion, None)):
            value = convert()
    return value


def refuse_change(what: str, key: object, value: object = None) -> NoReturn:
    """Raises the DescriptionError of who sets or removes an entry of a description."""
    raise DescriptionError("descriptions do not change", source=what, key=str(key), found=value, hint=A_COPY)


class FixedDict(dict):
    """The named tables of a description; a change would go unchecked."""

    def __setitem__(self, key: object, value: object) -> NoReturn:
        refuse_change("a table of a description", key, value)

    def __delitem__(self, key: object) -> NoReturn:
        refuse_change("a table of a description", key)

    def _refused(self, *values: object, **named: object) -> NoReturn:
        refuse_change("a table of a description", ", ".join(map(str, self)))

    update = pop = popitem = clear = setdefault = __ior__ = _refused

    def __reduce__(self) -> tuple:
        return FixedDict, (dict(self),)
