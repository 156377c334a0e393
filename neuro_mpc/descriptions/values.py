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
        return {plain(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, range)):
        return [plain(entry) for entry in value]
    if isinstance(value, tuple):
        return tuple(plain(entry) for entry in value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if set(getattr(value, "dims", ())) == {"post", "pre"}:  # a labelled mask, whichever dimension comes first
        value = value.transpose("post", "pre")  # pyright: ignore[reportAttributeAccessIssue]
    for conversion in ("to_numpy", "tolist"):  # xarray and pandas; NumPy
        if callable(convert := getattr(value, conversion, None)):
            value = convert()
    return value


def refuse_change(owner: str, key: object, value: object = None) -> NoReturn:
    """Raises the DescriptionError of who sets or removes an entry of a description."""
    raise DescriptionError("descriptions cannot be changed", source=owner, key=str(key), found=value, hint=A_COPY)


class FixedDict(dict):
    """The named tables of a description; a change would go unchecked."""

    def __setitem__(self, key: object, value: object) -> NoReturn:
        refuse_change("a table of a description", key, value)

    def __delitem__(self, key: object) -> NoReturn:
        refuse_change("a table of a description", key)

    def _refused(self, *values: object, **keywords: object) -> NoReturn:
        refuse_change("a table of a description", ", ".join(map(str, self)))

    # Refused whatever the arguments.
    update = pop = popitem = clear = setdefault = __ior__ = _refused  # pyright: ignore[reportAssignmentType]

    def __reduce__(self) -> tuple:
        return FixedDict, (dict(self),)
