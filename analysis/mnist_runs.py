"""Runs of MNIST as curves and tables: runs that differ in their seed only belong together."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from curves import number, over_runs, summary, table

from neuro_mpc.runfile import access

PAPER = tomllib.loads(Path(__file__).with_name("paper_values.toml").read_text(encoding="utf-8"))["mnist"]
RULES = {"exact": "exact rule", "as-released": "released rule"}
EVALUATED = {
    "accuracy": "with noise",
    "accuracy_mean_weights": "mean weights",
    "accuracy_ensemble": "ensemble",
    "accuracy_network": "single networks",
}
TABLE_EPOCHS = np.array([1, 10, 20, 30, 40, 60, 80, 100])
ENERGIES_PER_EPOCH = 2  # medians of a curve of energies


@dataclass(frozen=True)
class Kind:
    """What the runs of one curve have in common."""

    circuit: str
    rule: str
    scheme: str
    units: int

    @classmethod
    def of(cls, run: xr.DataTree) -> Kind:
        circuit, inference = access.describe(run, "circuit"), access.describe(run, "protocol")["inference"]
        varies = any(each["variance"] != "0" for each in circuit["synapse"].values())
        units = sum(each["size"] for each in circuit["population"].values() if each["role"] == "free")
        rule = RULES[inference["variance_feedback"]] if varies else ""
        return cls(circuit["name"], rule, inference["scheme"].replace("-", " "), units)

    def label(self, others: Groups) -> str:
        """The circuit, its rule, and the settings that distinguish it from the others."""
        parts = [self.circuit.upper(), self.rule]
        if len({other.scheme for other in others}) > 1:
            parts.append(self.scheme)
        if len({other.units for other in others}) > 1:
            parts.append(f"N = {self.units}")
        return ", ".join(filter(None, parts))


Groups = dict[Kind, list[xr.DataTree]]


def grouped(runs: list[xr.DataTree]) -> Groups:
    """The runs of each kind."""
    groups: Groups = {}
    for run in runs:
        groups.setdefault(Kind.of(run), []).append(run)
    return groups


# --- curves by epoch of the paper -------------------------------------------------------------------------


def accuracy(run: xr.DataTree) -> xr.DataArray:
    """Percent (epoch,)"""
    learning = run["learning"]
    if "accuracy" not in learning:
        raise access.lacking(run, "accuracy", "protocol.test.measure=accuracy")
    return _curve(run, learning["test_presentation"].values, 100 * learning["accuracy"].values)


def energy(run: xr.DataTree) -> xr.DataArray:
    """The paper's energy of a batch in nats (epoch,): the errors of the beliefs summed over trials, the loss averaged.

    Medians over parts of an epoch, the same of every run.
    """
    trials = access.describe(run, "protocol")["learning"]["batch"]
    energies = (trials * run["learning"]["free_energy_hidden"] + run["learning"]["loss"]).values
    long = max(1, PAPER["epoch_trials"] // (ENERGIES_PER_EPOCH * trials))
    parts = [energies[start : start + long] for start in range(0, max(1, len(energies) - long + 1), long)]
    return _curve(run, (np.arange(len(parts)) + 0.5) * long, np.array(list(map(np.median, parts))))


def statistic(run: xr.DataTree, projection: str, parameter: str) -> xr.DataArray:
    """Size of the parameter's mean over synapses (epoch,)"""
    node = run[f"synapses/{projection}"]
    return _curve(run, node["presentation"].values, abs(node[parameter].mean(("post", "pre"))).values)


def _curve(run: xr.DataTree, presentations: np.ndarray, values: np.ndarray) -> xr.DataArray:
    trials = presentations * access.describe(run, "protocol")["learning"]["batch"]
    return xr.DataArray(values, {"epoch": trials / PAPER["epoch_trials"]}, "epoch")


# --- tables in Markdown -----------------------------------------------------------------------------------


def tables(groups: Groups) -> str:
    """The accuracy at the epochs of the paper, and the evaluation after learning."""
    return "\n\n".join(filter(None, (accuracy_table(groups), evaluation_table(groups))))


def accuracy_table(groups: Groups) -> str:
    columns = {
        kind.label(groups): _at_paper_epochs(*over_runs([accuracy(run) for run in members]))
        for kind, members in groups.items()
    }
    paper = PAPER["accuracy"]
    for name in ("mpl", "pc"):
        columns[f"{name.upper()}, paper"] = [
            number(paper[name][k - 1], paper["deviation"][name][k - 1]) for k in TABLE_EPOCHS
        ]
    rows = zip(map(str, TABLE_EPOCHS), *columns.values())
    return table(["epochs learned", *columns], rows)


def _at_paper_epochs(epoch: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> list[str]:
    """What was tested nearest to each epoch of the table, empty where that is half an epoch off or more."""
    distance = abs(epoch[:, None] - TABLE_EPOCHS)
    return [
        number(mean[k], deviation[k]) if distance[k, column] < 0.5 else ""
        for column, k in enumerate(distance.argmin(axis=0))
    ]


def evaluation_table(groups: Groups) -> str:
    """The accuracies after learning, of runs that learned equally long together."""
    rows = []
    for kind, members in groups.items():
        evaluated: dict[float, list[xr.DataTree]] = {}
        for run in members:
            if (node := access.group(run, "evaluation")) is not None:
                evaluated.setdefault(_epochs(run), []).append(node)
        for epochs, nodes in sorted(evaluated.items()):
            values = [
                np.concatenate([np.ravel(node[name]) for node in nodes if name in node] or [[]]) for name in EVALUATED
            ]
            rows.append([kind.label(groups), f"{epochs:g}", str(len(nodes)), *(summary(100 * each) for each in values)])
    return table(["test accuracy after learning", "epochs", "seeds", *EVALUATED.values()], rows) if rows else ""


def _epochs(run: xr.DataTree) -> float:
    """Epochs of the paper that a run has learned."""
    trials = run["learning"].sizes["presentation"] * access.describe(run, "protocol")["learning"]["batch"]
    return round(trials / PAPER["epoch_trials"], 2)
