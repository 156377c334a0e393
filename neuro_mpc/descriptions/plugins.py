"""What can be added from outside: registered by a decorator, or by the entry points of an installed package."""

from __future__ import annotations

import pkgutil
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from neuro_mpc.errors import DescriptionError, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Plugin = TypeVar("Plugin")


class Registry(Generic[Plugin]):
    """name → what is registered under it: everything in a package of ours, then what other packages bring.

    kind     what is registered, as errors call it: "stimulus source"
    group    entry points of this group are loaded, too; the name of one is the name it registers
    package  its modules are imported when they are asked for and not before: for a name, the module that is called
             like it, if that registers it, and else all

    An entry point names a module that registers by the decorator, or the object itself. One that cannot be loaded
    is an error only for those who ask for its name.
    """

    def __init__(self, kind: str, group: str, package: str):
        self.kind, self.group, self.package = kind, group, package
        self._plugins: dict[str, Plugin] = {}
        self._failures: dict[str, str] = {}
        self._loaded, self._loading = False, threading.RLock()

    def register(self, name: str) -> Callable[[Plugin], Plugin]:
        """A decorator that registers under `name`; DescriptionError where something else has the name."""

        def decorator(plugin: Plugin) -> Plugin:
            other = self._plugins.get(name)
            if other is not None and _identity(other) != _identity(plugin):
                raise DescriptionError(
                    f"the {self.kind} {name!r} of {_module(plugin)} has the name of one of {_module(other)}",
                    hint="another name",
                )
            self._plugins[name] = plugin
            return plugin

        return decorator

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        self._load()
        return tuple(sorted(self._plugins))

    def get(self, name: str) -> Plugin:
        """What is registered under `name`; DescriptionError where that is nothing, or could not be loaded."""
        if (known := self.known(name)) is not None:
            return known
        if failure := self.failure(name):
            raise DescriptionError(failure, found=name, hint="repair or uninstall the package that provides it")
        raise DescriptionError(
            f"unknown {self.kind}", found=name, expected=", ".join(self.names()), hint=did_you_mean(name, self.names())
        )

    def known(self, name: str) -> Plugin | None:
        """What is registered under `name`; None where that is nothing, or could not be loaded."""
        if name not in self._plugins:
            self._load_module(name.replace("-", "_"))
        if name not in self._plugins:
            self._load()
        return self._plugins.get(name)

    def failure(self, name: str) -> str:
        """Why the entry point `name` could not be loaded; "" where it could, or where there is none."""
        self._load()
        return self._failures.get(name, "")

    def _load_module(self, name: str) -> None:
        """Imports the module of the package that is called so, if there is one: to import all takes long."""
        with self._loading:
            if name.isidentifier() and find_spec(module := f"{self.package}.{name}"):
                import_module(module)

    def _load(self) -> None:
        with self._loading:
            if self._loaded:
                return
            self._loaded = True  # set first: a module may ask for names while it is being imported
            try:
                for module in pkgutil.iter_modules(import_module(self.package).__path__):
                    import_module(f"{self.package}.{module.name}")
            except BaseException:
                self._loaded = False
                raise
            from importlib.metadata import entry_points

            for entry in entry_points(group=self.group):
                self._load_entry(entry)

    def _load_entry(self, entry: EntryPoint) -> None:
        try:
            loaded: Any = entry.load()
            if entry.attr and not any(loaded is plugin for plugin in self._plugins.values()):
                self.register(entry.name)(loaded)
            if entry.name not in self._plugins:
                raise DescriptionError(f"{entry.value} registers no {self.kind} of this name")
        except Exception as problem:  # whatever a package of others does, ours and the rest stay
            reason = str(problem).partition("\n")[0]
            package = f" of {entry.dist.name}" if entry.dist else ""
            self._failures[entry.name] = (
                f"the {self.kind} {entry.name!r}{package} cannot be loaded: {type(problem).__name__}: {reason}"
            )


def _module(plugin: object) -> str:
    return getattr(plugin, "__module__", None) or type(plugin).__module__


def _identity(plugin: object) -> tuple[str, str]:
    """The same for a class and what a second run of its definition makes, as in a notebook."""
    return _module(plugin), getattr(plugin, "__qualname__", None) or repr(plugin)


def origin_of(plugin: type) -> tuple[str, str] | None:
    """The module of what is registered and the folder it is imported from, for another process; None for one of ours.

    Raises DescriptionError for a class of a script or notebook, which another process cannot import.
    """
    module = plugin.__module__
    if module.partition(".")[0] == __name__.partition(".")[0]:
        return None
    file = getattr(sys.modules[module], "__file__", None)
    if module == "__main__" or file is None:
        raise DescriptionError(
            f"{plugin.__qualname__} is defined in a script or notebook, from which no other process can import it",
            hint="define it in a module, and import that",
        )
    path = Path(file).absolute()
    return module, str(path.parents[module.count(".") + (path.name == "__init__.py")])


def import_from(module: str, folder: str) -> None:
    """Import what `origin_of` found; other modules are still looked for in other folders first."""
    if folder not in sys.path:
        sys.path.append(folder)
    import_module(module)
