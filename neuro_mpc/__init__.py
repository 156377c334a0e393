"""Predictive-coding circuits with distributional synapses, described in TOML and run on Brian2.

Every public name is imported when it is first used (PEP 562), so that `import neuro_mpc` and
`neuro-mpc --help` do not wait for Brian2, sympy or matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuro_mpc import analysis, plots, stimuli  # noqa: F401
    from neuro_mpc.descriptions.circuit import Circuit
    from neuro_mpc.descriptions.circuit_tables import (
        LearnedPrecision,
        Parameter,
        Population,
        Projection,
        SplitErrors,
        SynapseType,
    )
    from neuro_mpc.descriptions.inference import Inference
    from neuro_mpc.descriptions.learning import Learning, Schedule
    from neuro_mpc.descriptions.loading import changed, load_circuit, load_protocol, save_circuit, save_protocol
    from neuro_mpc.descriptions.protocol import Protocol, ReadOut, Recording, Target, Test
    from neuro_mpc.errors import DescriptionError, NeuroMPCError, RunError, RunFileError
    from neuro_mpc.exports.nwb import export
    from neuro_mpc.plots import plot_run
    from neuro_mpc.reports.report import report
    from neuro_mpc.reports.summary import summary
    from neuro_mpc.runfile.record import open_run
    from neuro_mpc.runs.check import check
    from neuro_mpc.runs.in_process import Network, network
    from neuro_mpc.runs.run import simulate
    from neuro_mpc.simulation.generation import generate, next_symbols
    from neuro_mpc.simulation.trained import Trained, load_trained
    from neuro_mpc.sweeps.sweep import sweep

__version__ = "0.1.0"

__all__ = [
    "Circuit",
    "DescriptionError",
    "Inference",
    "LearnedPrecision",
    "Learning",
    "Network",
    "NeuroMPCError",
    "Parameter",
    "Population",
    "Projection",
    "Protocol",
    "ReadOut",
    "Recording",
    "RunError",
    "RunFileError",
    "Schedule",
    "SplitErrors",
    "SynapseType",
    "Target",
    "Test",
    "Trained",
    "__version__",
    "changed",
    "check",
    "export",
    "generate",
    "load_circuit",
    "load_protocol",
    "load_trained",
    "network",
    "next_symbols",
    "open_run",
    "plot_run",
    "report",
    "save_circuit",
    "save_protocol",
    "simulate",
    "summary",
    "sweep",
]

_NAMES = {
    "descriptions.circuit": ("Circuit",),
    "descriptions.circuit_tables": (
        "LearnedPrecision",
        "Parameter",
        "Population",
        "Projection",
        "SplitErrors",
        "SynapseType",
    ),
    "descriptions.inference": ("Inference",),
    "descriptions.learning": ("Learning", "Schedule"),
    "simulation.generation": ("generate", "next_symbols"),
    "descriptions.loading": ("changed", "load_circuit", "load_protocol", "save_circuit", "save_protocol"),
    "errors": ("DescriptionError", "NeuroMPCError", "RunError", "RunFileError"),
    "exports.nwb": ("export",),
    "plots": ("plot_run",),
    "descriptions.protocol": ("Protocol", "ReadOut", "Recording", "Target", "Test"),
    "runfile.record": ("open_run",),
    "reports.report": ("report",),
    "reports.summary": ("summary",),
    "runs.in_process": ("Network", "network"),
    "runs.check": ("check",),
    "runs.run": ("simulate",),
    "sweeps.sweep": ("sweep",),
    "simulation.trained": ("Trained", "load_trained"),
}
_MODULES = ("analysis", "plots", "stimuli")
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """The public `name`, imported from the module that defines it and kept; AttributeError for any other."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
