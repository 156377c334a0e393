"""The recipe of next-word prediction: models by name, baselines of the same text, figures from run files."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from beside import RECIPES, printed_by_recipe
from pictures import ink

import neuro_mpc as nm
from neuro_mpc.analysis import ngrams
from neuro_mpc.plots import style
from neuro_mpc.runfile.record import RunFile

TESTED = (0, 6, 12)  # presentations of two epochs
WORDS = 5  # a, b, c, <eos>, <unk>
FILES = {"train": "a b c\nb c a\n" * 18 + "b b\n", "valid": "a b c\nb x a\n" * 3, "test": "c b a\n" * 6}
MODELS = [
    ("mpl-language", "fixed-prediction"),
    ("mpl-language", "relaxation"),
    ("pc-language", "fixed-prediction"),
    ("pc-language", "relaxation"),
]


@pytest.fixture
def recipe(monkeypatch):
    """The modules of the recipe."""
    monkeypatch.syspath_prepend(RECIPES)
    import language
    import language_runs

    return language, language_runs


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """A run of each model, and a second seed of the first."""
    tmp_path = tmp_path_factory.mktemp("runs")
    for name, text in FILES.items():
        (tmp_path / f"ptb.{name}.txt").write_text(text)
    described = [*((*model, 0) for model in MODELS), (*MODELS[0], 1)]
    return [write(tmp_path / f"{k}.nc", *each) for k, each in enumerate(described)]


def write(path, circuit, scheme, seed, **stimulus):
    circuit = nm.load_circuit(circuit, {"population.embedding.size": 2, "population.hidden.size": 3})
    protocol = nm.load_protocol(
        "ptb",
        {
            "inference.scheme": scheme,
            "learning.batch": 4,
            "stimulus.steps": 6,
            "data_dir": str(path.parent),
            "stimulus.checksums": {},
            **{f"stimulus.{key}": value for key, value in stimulus.items()},
        },
    )
    circuit = circuit.sized(WORDS, WORDS)
    with RunFile(path, circuit=circuit, protocol=protocol, seed=seed, backend="cpp", threads=1) as file:
        for presentation, value in zip(TESTED, (90.0, 20.0 + 2 * seed, 30.0)):
            file.test(presentation, {"test_loss": 1.0, "perplexity": value, "accuracy": 0.25})
            file.snapshot(presentation, parameters(circuit, presentation))
        file.evaluation(
            {
                f"{name}{weights}": value + seed
                for weights in ("", "_mean_weights")
                for name, value in (("perplexity", 40.0), ("accuracy", 0))
            }
        )
    return path


def parameters(circuit, presentation):
    """π is 0 … 0.99 over the synapses at first, then zero but for one of them."""

    def values(name, shape):
        spread = np.linspace(0, 0.99, np.prod(shape)).reshape(shape)
        return spread if presentation == 0 or name != "pi" else spread * (spread == 0.99)

    return {
        projection: {name: values(name, circuit.shape(projection)) for name in circuit.synapse[table.synapse].parameter}
        for projection, table in circuit.projection.items()
    }


def found(language_runs, paths, transformers=()):
    return language_runs.corpora([nm.open_run(path).load() for path in paths], list(transformers))


def transformer(path, **changes):
    stimulus = nm.load_protocol("ptb").tables()["stimulus"]
    told = {"perplexity": 12.0, "accuracy": 0.5}
    text = {
        "stimulus": stimulus,
        "parameters": 1_500_000,
        "epoch": [1, 2],
        "perplexity": [14.0, 12.0],
        "kept": 12,
        "epoch_updates": 6,
        "validation": told,
        "test": told,
        **changes,
    }
    path.write_text(json.dumps(text))
    return path


def test_models_have_their_names_and_seeds_are_one_curve(recipe, paths):
    _, language_runs = recipe
    (corpus,) = found(language_runs, paths)
    assert {kind.name: len(runs) for kind, runs in corpus.groups.items()} == {
        "spike-and-slab RNN": 2,
        "meta predictive learning": 1,
        "vanilla RNN": 1,
        "predictive coding": 1,
    }
    assert corpus.epoch == 6


def test_what_tells_curves_apart_is_in_their_names(recipe, paths):
    _, language_runs = recipe
    other = write(paths[0].with_name("other.nc"), *MODELS[0], 0, carry=False)
    (corpus,) = found(language_runs, [paths[0], other])
    assert [kind.label(corpus.groups) for kind in corpus.groups] == [
        "spike-and-slab RNN",
        "spike-and-slab RNN, state not carried on",
    ]


def test_the_curve_begins_after_the_first_epoch_and_the_best_test_is_kept(recipe, paths):
    _, language_runs = recipe
    (corpus,) = found(language_runs, paths[:1])
    ((run,),) = corpus.groups.values()
    curve = language_runs.curve(run, corpus.epoch)
    np.testing.assert_allclose(curve["epoch"], [1, 2])
    np.testing.assert_allclose(curve, [20, 30])
    assert language_runs.kept(run) == 1


def test_baselines_are_those_of_the_tokens_that_the_circuit_sees(recipe, paths):
    _, language_runs = recipe
    (corpus,) = found(language_runs, paths[:1])
    assert corpus.text.width == WORDS
    unigram, bigram = corpus.baselines
    text = corpus.text.tokens("validation")
    assert corpus.text.unknown["validation"] == 3
    counts = np.bincount(corpus.text.tokens("train"), minlength=WORDS)
    expected = {k: np.exp(-np.log((counts[text] + k) / (counts.sum() + k * WORDS)).mean()) for k in ngrams.K}
    assert unigram.perplexity["validation"] == pytest.approx(min(expected.values()))
    assert unigram.k == min(expected, key=expected.get)
    assert bigram.perplexity["validation"] < unigram.perplexity["validation"]


def test_the_table_has_a_row_for_each_model(recipe, paths, tmp_path):
    _, language_runs = recipe
    other = language_runs.transformer(transformer(tmp_path / "t.json"))
    (corpus,) = found(language_runs, paths, [other])
    lines = language_runs.tables(corpus).splitlines()
    assert lines[0] == "ptb.train.txt, all lines; 5 words"
    assert lines[2].endswith("epochs | validation | test | test, mean weights | test, paper |")
    both = "40.5 ± 0.7 (50.0 ± 70.7)"
    assert f"| spike-and-slab RNN | 1.0 | 21.0 ± 1.4 (25.0) | {both} | {both} | 127.7 |" in lines
    assert "| transformer, 1.5 million parameters | 2 | 12.0 (50.0) | 12.0 (50.0) |  |  |" in lines
    assert sum(line.startswith(("| unigram, k = ", "| add-k bigram, k = ")) for line in lines) == 2


def test_texts_have_panels_and_distributions_have_rows(recipe, paths):
    language, language_runs = recipe
    paths = [*paths, write(paths[0].with_name("few.nc"), *MODELS[0], 0, lines=30)]
    with style.applied():
        corpora = found(language_runs, paths)
        figure = language.draw(corpora)
        figure.canvas.draw()
        assert len(figure.axes) == 2
        names = [text.get_text() for text in figure.legends[0].get_texts()]
        assert {"unigram", "add-k bigram", "vanilla RNN", "vanilla RNN, paper (test)"} <= set(names)
        densities = language.draw_densities(corpora)
        assert len(densities.axes) == 3 * 3
        assert language.draw_densities(found(language_runs, paths[2:4])) is None


def test_first_bins_are_counted(recipe, paths):
    language, language_runs = recipe
    text = language.first_bins(found(language_runs, paths[:1]))
    assert text == (
        "π in the first of 100 bins, spike-and-slab RNN: "
        "input 0.83 (paper 0.94), recurrent 0.89 (paper 0.86), output 0.93 (paper 0.60)"
    )


def test_the_command_draws_and_prints_without_brian2(paths, tmp_path):
    figures = [str(tmp_path / name) for name in ("figure.png", "densities.png")]
    told = transformer(tmp_path / "t.json")
    runs = [str(path) for path in paths[:2]]
    said = printed_by_recipe(
        "language", *runs, "--transformer", str(told), "--out", figures[0], "--densities", figures[1]
    )
    assert "meta predictive learning" in said
    assert all(ink(Path(figure)) > 0.02 for figure in figures)


def test_what_cannot_be_drawn_is_told(recipe, paths, tmp_path, monkeypatch, capsys):
    language, _ = recipe
    (tmp_path / "bad.json").write_text("{}")
    other = transformer(tmp_path / "t.json", stimulus=nm.load_protocol("ptb-small").tables()["stimulus"])
    run = str(paths[0])
    cases = [
        ([str(tmp_path / "missing.nc")], "is not there"),
        ([run, "--transformer", str(tmp_path / "bad.json")], "is not of language_transformer.py"),
        ([run, "--transformer", str(other)], "another text"),
    ]
    for words, problem in cases:
        monkeypatch.setattr(sys, "argv", ["language.py", *words, "--out", str(tmp_path / "f.png")])
        with pytest.raises(SystemExit) as caught:
            language.main()
        assert caught.value.code == 2
        assert problem in capsys.readouterr().err
