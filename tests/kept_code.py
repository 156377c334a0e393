"""Digests of the code that is generated for many circuits, schemes and options, kept as they were, part by part.

    python tests/kept_code.py [--print NAME …]

writes them to `tests/kept_code.json`, where generated code changed as it should, or prints the code itself, to be
compared with what it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import sympy
from presented import CASES, recurrent

import neuro_mpc as nm
from neuro_mpc.networks.functions import FUNCTIONS
from neuro_mpc.networks.influences import numbers_passed_on
from neuro_mpc.networks.layout import NeuralGroup, SynapticGroup, groups, is_of_trials, stored_bytes
from neuro_mpc.networks.phase import Phase
from neuro_mpc.networks.phases import all_phases, sums
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.printers import CPPPrinter, CythonPrinter, NumpyPrinter
from neuro_mpc.networks.rows import Visit
from neuro_mpc.networks.schemes.interface import scheme_of, tile_widths, tiling_of
from neuro_mpc.networks.statements import kernels, names

FILE = Path(__file__).with_name("kept_code.json")
SYMPY = ".".join(sympy.__version__.split(".")[:2])
TRIALS, STEPS = 12, 5
SPLIT = {
    "population.hidden.errors": {"positive": 0.5, "negative": 2.0, "baseline": 0.1},
    "population.output.errors": "split",
}
LEARNED = {
    "population.output.precision": {"learned": "unit"},
    "population.hidden.precision": {"learned": "population", "high": 1e3, "rate_factor": 0.5},
}
GAUSSIAN = recurrent("gaussian", "tanh(r)", "gaussian", delay=2)


def plan(described: nm.Circuit | str, scheme: str = "relaxation", **options) -> Plan:
    """Of a case of `presented`, or of a circuit."""
    chosen = {"scheme": scheme, "optimizer": "adam", **options}
    if isinstance(described, str):
        circuit, read = CASES[described]
        return Plan(circuit, TRIALS, STEPS, **{"read": read, **chosen})
    return Plan(described, TRIALS, STEPS, **chosen)


def shipped(name: str, units: int = 7) -> nm.Circuit:
    """A circuit that comes with the package, whose stimuli and targets have so many units."""
    circuit = nm.load_circuit(name)
    return circuit.with_sizes(dict.fromkeys((*circuit.stimuli, *circuit.targets), units))


def plans() -> dict[str, Plan]:
    """Every kind of operation, section and printed statement occurs in one of them."""
    mixed = plan("mixed", clip=0.5)
    words = {"symbolic": ("input", "output"), "optimizer": "sgd"}
    clipped = {"clip": 2.0, "clip_norm": "frobenius", "clip_parameters": ("m",), "rate_factors": (("m", 3.0),)}
    return {
        **{f"{name}, {scheme}": plan(name, scheme) for name, scheme in zip(CASES, 3 * SCHEMES)},
        **{f"mixed, {scheme}": plan("mixed", scheme, decay=0.01) for scheme in SCHEMES},
        "settles": replace(mixed, settles=True, threads=5),
        "limited": replace(mixed, settles=True, limited=True, precision="float64"),
        "shared": replace(mixed, threads=2).shared(3),
        "without learning": replace(mixed, optimizer=""),
        "clipped otherwise": plan("corpus", "fixed-prediction", **clipped),
        "as released": plan("spike-and-slab", variance_feedback="as-released", optimizer="sgd"),
        "feedback of the last step": plan("mixed", "fixed-prediction", output_feedback="last"),
        "last of some": plan("mixed", read="every", last_read=("output",)),
        **{
            f"window {window}, {scheme}": plan("mixed", scheme, window=window)
            for window in (0, 2)
            for scheme in ("relaxation", "fixed-prediction", "momentum")
        },
        **{
            f"step by step, {scheme}": plan("mixed", scheme, window=0, stepwise=True)
            for scheme in ("relaxation", "fixed-prediction")
        },
        **{
            f"{credit}, {name}": plan(name, "fixed-prediction", window=0, credit=credit, optimizer="sgd")
            for credit in ("influence", "trace")
            for name in ("mixed", "some connected", "spike-and-slab")
        },
        "influence of symbols": plan("spike-and-slab", window=0, credit="influence", **words),
        "symbols": plan("spike-and-slab", **words),
        "symbols, long rows": plan(shipped("mpl-language-small", 3000), "fixed-prediction", **LANGUAGE),
        "tied": plan(shipped("mpl-lstm-tied", 9), "fixed-prediction", **LANGUAGE),
        "gates": plan(shipped("mpl-gru"), "sweeps"),
        "gates, fixed": plan(shipped("mpl-gru"), "fixed-prediction", missing=("output",)),
        "resonant": plan(shipped("mpl-resonant"), "fixed-prediction"),
        "several targets": plan(shipped("rao-ballard", 9), settles=True),
        "areas": plan(shipped("two-areas"), missing=("output",)),
        "split errors": plan(nm.changed(GAUSSIAN, SPLIT), missing=("output",)),
        "split errors, fixed": plan(nm.changed(GAUSSIAN, SPLIT), "fixed-prediction", optimizer="sgd"),
        "learned precision": plan(nm.changed(GAUSSIAN, LEARNED), missing=("output",), shares=2),
        "learned and split": plan(nm.changed(GAUSSIAN, SPLIT | LEARNED), read="last", optimizer="sgd"),
    }


SCHEMES = ["relaxation", "fixed-prediction", "sweeps", "momentum"]
LANGUAGE = {"symbolic": ("input", "next"), "clip": 1.0, "optimizer": "sgd"}


class Named(dict):
    """Variables that are called by their names."""

    def __missing__(self, name: str) -> str:
        return name


def code(name: str) -> dict[str, str]:
    """Part → what is generated of a plan."""
    described = PLANS()[name]
    tiling = tiling_of(described)
    visit = Visit(tiling.trials, described.steps)
    parts = {f"phase {each.name}": _phase(each, visit) for each in all_phases(described)}
    is_of_all = is_of_trials(described)
    parts["groups"] = "\n".join(_group(described, each, is_of_all(f"{each.name}_x")) for each in groups(described))
    summed = sums(described) if described.optimizer else []
    widths = [tile_widths(described, threads, workers) for threads, workers in ((1, 1), (2, 1), (1, 2))]
    scheme = scheme_of(described)
    of_trials = [each for each in ("loss", "step_length", "iterations_used", "rate") if is_of_all(each)]
    numbers = numbers_passed_on(described), scheme.passes(7)
    parts["sizes"] = f"{tiling.tiles} {widths} {summed} {of_trials} {numbers}"
    return parts


def functions() -> dict[str, str]:
    """Function and language → its code there."""
    implementations = {name: each.implementations for name, each in FUNCTIONS.items()}
    return {
        f"{name} in {language}": each[language].get_code(None)
        for name, each in implementations.items()
        for language in ("cpp", "cython")
    }


def _group(described: Plan, group: NeuralGroup | SynapticGroup, is_of_trials: bool) -> str:
    shape = (*group.shape, group.fan_in) if isinstance(group, SynapticGroup) else (group.elements, *group.sources)
    return f"{group.name}: {shape} {stored_bytes(described, group)} {is_of_trials}\n{group.equations}"


def _phase(phase: Phase, visit: Visit) -> str:
    statements = [statement for section in phase.sections for statement in section.lower(visit)]
    blocks = {block: f"the code of {block}" for block in phase.blocks}
    printed = [
        printer({block: f"what precedes {block}" for block in blocks}, blocks, Named(), str).statements(statements)
        for printer in (CPPPrinter, CythonPrinter, NumpyPrinter)
    ]
    heading = f"{phase.name} {phase.condition} {phase.tiling.tiles} {phase.parallel} {sorted(phase.passing)}"
    used = f"{kernels(statements)} {sorted(names(statements))}"
    return "\n".join([heading, used, *(f"{block}: {parts}" for block, parts in phase.blocks.items()), *printed])


PLANS = cache(plans)


def digests(code: Mapping[str, str]) -> dict[str, str]:
    """Part → digest of its code."""
    return {part: hashlib.sha256(text.encode()).hexdigest()[:12] for part, text in code.items()}


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--print", nargs="*", dest="printed")
    asked = options.parse_args()
    if asked.printed is not None:
        for each in asked.printed or PLANS():
            print(*(f"=== {each}: {part}\n{text}" for part, text in code(each).items()), sep="\n")
    else:
        kept = {
            "sympy": SYMPY,
            "functions": digests(functions()),
            "plans": {name: digests(code(name)) for name in PLANS()},
        }
        FILE.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
