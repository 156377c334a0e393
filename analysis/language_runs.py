"""Runs of next-word prediction as curves and tables, beside n-gram models of the same text."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr
from curves import number, summary, table

from neuro_mpc import Circuit, Protocol, RunFileError, stimuli
from neuro_mpc.analysis import ngrams
from neuro_mpc.runfile import access
from neuro_mpc.stimuli.text import END

PAPER = tomllib.loads(Path(__file__).with_name("paper_values.toml").read_text(encoding="utf-8"))["language"]
# (weights are distributions, beliefs relax) → the name of such a model, and its key among the paper's values
MODELS = {
    (False, False): ("vanilla RNN", "vanilla"),
    (True, False): ("spike-and-slab RNN", "spike_and_slab"),
    (False, True): ("predictive coding", "predictive_coding"),
    (True, True): ("meta predictive learning", "mpl"),
}
SPLITS = ("validation", "test")
MEASURES = ("perplexity", "accuracy")
HEAD = ["perplexity (accuracy, %)", "epochs", "validation", "test", "test, mean weights", "test, paper"]


@dataclass(frozen=True)
class Kind:
    """What the runs of one curve have in common: a model, its size, and whether its state is carried on."""

    varies: bool
    relaxes: bool
    units: tuple[int, ...]
    carries: bool

    @classmethod
    def of(cls, run: xr.DataTree) -> Kind:
        circuit, protocol = access.describe(run, "circuit"), access.describe(run, "protocol")
        used = {each["synapse"] for each in circuit["projection"].values()}
        varies = any(circuit["synapse"][name].get("variance", "0") != "0" for name in used)
        units = tuple(each["size"] for each in circuit["population"].values() if each["role"] == "free")
        relaxes = protocol["inference"]["scheme"] != "fixed-prediction"
        return cls(varies, relaxes, units, protocol["stimulus"].get("carry", True))

    @property
    def name(self) -> str:
        return MODELS[self.varies, self.relaxes][0]

    @property
    def paper(self) -> str:
        return MODELS[self.varies, self.relaxes][1]

    def label(self, others: dict[Kind, list[xr.DataTree]]) -> str:
        """The model, and the settings that distinguish it from others."""
        parts = [self.name]
        if len({other.units for other in others}) > 1:
            parts.append("-".join(map(str, self.units)))
        if not self.carries:
            parts.append("state not carried on")
        return ", ".join(parts)


@dataclass(frozen=True)
class Baseline:
    """An n-gram model of the training text; perplexity and accuracy by split."""

    name: str
    k: float
    perplexity: dict[str, float]
    accuracy: dict[str, float]


class Corpus:
    """A text, and the models that learned it.

    groups        the runs of each kind
    transformers  what analysis/language_transformer.py wrote
    """

    def __init__(self, run: xr.DataTree):
        tables = access.describe(run, "protocol")
        self.protocol = Protocol.from_tables(tables, tables["name"])
        self._circuit = Circuit.from_tables(access.describe(run, "circuit"), access.source(run))
        self.groups: dict[Kind, list[xr.DataTree]] = {}
        self.transformers: list[dict] = []

    @property
    def name(self) -> str:
        lines = self.protocol.stimulus.lines
        return f"{self.protocol.stimulus.train}, {f'first {lines:,}' if lines else 'all'} lines"

    @property
    def is_whole(self) -> bool:
        return not self.protocol.stimulus.lines

    @cached_property
    def text(self) -> stimuli.Stimuli:
        """The tokens, found as the runs found them; DescriptionError where the files are not there."""
        return stimuli.load(self.protocol, self._circuit, 0)

    @property
    def epoch(self) -> int:
        """Presentations."""
        return self.text.size("train") // self.text.streams

    @cached_property
    def baselines(self) -> list[Baseline]:
        """Counted on the tokens of the training text, k chosen on those of the validation text."""
        learned, validation = self.text.tokens("train"), self.text.tokens("validation")
        models = {
            name: ngrams.chosen(kind, learned, validation, self.text.width, self.text.vocabulary[END])
            for name, kind in (("unigram", ngrams.Unigram), ("add-k bigram", ngrams.Bigram))
        }
        return [
            Baseline(
                name,
                model.k,
                *(
                    {split: of(model, self.text.tokens(split)) for split in SPLITS}
                    for of in (ngrams.perplexity, ngrams.accuracy)
                ),
            )
            for name, model in models.items()
        ]


def corpora(runs: list[xr.DataTree], transformers: list[dict]) -> list[Corpus]:
    """The runs by the text they learned; RunFileError for one that learned none, or is of another text."""
    found: dict[tuple, Corpus] = {}
    for run in runs:
        found.setdefault(_text(run), Corpus(run)).groups.setdefault(Kind.of(run), []).append(run)
    for each in transformers:
        if (corpus := found.get(_identity(each["stimulus"]))) is None:
            raise RunFileError(f"{each['source']} learned another text than the runs")
        corpus.transformers.append(each)
    return list(found.values())


def _text(run: xr.DataTree) -> tuple:
    stimulus = access.describe(run, "protocol")["stimulus"]
    if stimulus["source"] != "text":
        raise RunFileError(f"{access.source(run)} is no run of a text", hint="neuro-mpc run mpl-language ptb …")
    if "perplexity" not in run["learning"] or not run["learning"]["perplexity"].size:
        raise access.lacking(run, "perplexity", "protocol.test.measure=perplexity")
    return _identity(stimulus)


def _identity(stimulus: dict) -> tuple:
    return tuple(stimulus[key] for key in ("train", "validation", "test", "level", "vocabulary", "lines"))


def transformer(path: str) -> dict:
    """What analysis/language_transformer.py wrote; RunFileError for other files."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return {**found, "source": path, "stimulus": dict(found["stimulus"]), "epoch": list(found["epoch"])}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise RunFileError(f"{path} is not of language_transformer.py: {problem}") from None


# --- numbers of runs --------------------------------------------------------------------------------------


def curve(run: xr.DataTree, epoch: int) -> xr.DataArray:
    """Perplexity (epoch,) in the tests while it learned, without the one before."""
    learning = run["learning"]
    epochs = learning["test_presentation"].values / epoch
    found = xr.DataArray(learning["perplexity"].values, {"epoch": epochs}, "epoch")
    return found[epochs > 0]


def kept(run: xr.DataTree) -> int:
    """The number of the test whose parameters the run ended with."""
    protocol, tests = access.describe(run, "protocol"), run["learning"]["perplexity"].values
    return int(np.nanargmin(tests)) if protocol["test"]["keep"] == "best" else len(tests) - 1


# --- the table --------------------------------------------------------------------------------------------


def tables(corpus: Corpus) -> str:
    """A row for each model, in Markdown."""
    counted = [
        [
            f"{each.name}, k = {each.k:g}",
            "",
            *(_cell([each.perplexity[split]], [each.accuracy[split]]) for split in SPLITS),
            "",
            "",
        ]
        for each in corpus.baselines
    ]
    learned = [_row(corpus, kind, runs) for kind, runs in corpus.groups.items()]
    others = [
        [
            _transformer_name(each),
            f"{each['kept'] / each['epoch_updates']:g}",
            *(_cell([each[split]["perplexity"]], [each[split]["accuracy"]]) for split in SPLITS),
            "",
            "",
        ]
        for each in corpus.transformers
    ]
    title = f"{corpus.name}; {corpus.text.width:,} words"
    return f"{title}\n\n{table(HEAD, [*counted, *learned, *others])}"


def _row(corpus: Corpus, kind: Kind, runs: list[xr.DataTree]) -> list[str]:
    at = [run["learning"].isel(test=kept(run)) for run in runs]
    epochs = summary(float(each["test_presentation"]) / corpus.epoch for each in at)
    split = corpus.protocol.test.split
    tested = _cell([float(each["perplexity"]) for each in at], [float(each["accuracy"]) for each in at])
    evaluated = [node for run in runs if (node := access.group(run, "evaluation")) is not None]
    cells = [
        _cell(*([float(node[f"{name}{weights}"]) for node in evaluated] for name in MEASURES))
        for weights in ("", "_mean_weights")
    ]
    return [
        kind.label(corpus.groups),
        epochs,
        tested if split == "validation" else "",
        *cells,
        f"{number(PAPER['corrected'][kind.paper])}",
    ]


def _cell(perplexities: list[float], accuracies: list[float]) -> str:
    if not perplexities:
        return ""
    return f"{summary(perplexities)} ({summary(100 * each for each in accuracies)})"


def _transformer_name(found: dict) -> str:
    return f"transformer, {found['parameters'] / 1e6:.1f} million parameters"
