"""The transformer of the comparison predicts_next from what came before, and is measured as circuits are."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc import stimuli

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
FOLDER = Path(__file__).parents[1] / "analysis"
TEXT = {"train": "a b c d\nb c d a\n" * 12, "valid": "a b c d\nb x a\n" * 3, "test": "b c d a\n" * 5}


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import language_transformer

    torch.manual_seed(0)
    return language_transformer


@pytest.fixture
def protocol(tmp_path):
    for name, text in TEXT.items():
        (tmp_path / f"ptb.{name}.txt").write_text(text)
    return nm.load_protocol(
        "ptb", {"learning.batch": 3, "stimulus.steps": 5, "stimulus.checksums": {}, "data_dir": str(tmp_path)}
    )


@pytest.mark.parametrize("tied", [False, True])
def test_a_later_token_cannot_change_an_earlier_prediction(recipe, tied):
    model = recipe.CausalTransformer(11, 8, 16, 2, 2, tied=tied).eval()
    tokens = torch.randint(0, 11, (4, 8))
    before = model(tokens)
    for place in range(1, 8):
        changed = tokens.clone()
        changed[:, place:] = (changed[:, place:] + 3) % 11
        after = model(changed)
        torch.testing.assert_close(after[:, :place], before[:, :place])
        assert (after[:, place] - before[:, place]).abs().max() > 1e-3


def test_positions_tell_tokens_apart(recipe):
    model = recipe.CausalTransformer(11, 8, 16, 2, 2).eval()
    output = model(torch.full((1, 8), 4))
    assert (output[0, 1:] - output[0, :-1]).abs().amax(1).min() > 1e-3


def test_every_token_is_counted_once(recipe, protocol):
    text = stimuli.load(protocol, nm.load_circuit("pc-language"), 0)
    model = recipe.CausalTransformer(text.width, text.steps, 8, 2, 1)
    with torch.no_grad():
        model.output.weight.zero_()
        model.output.bias.copy_(torch.log(torch.arange(1.0, text.width + 1)))
    for split in ("validation", "test"):
        tokens = text.tokens(split)
        found = recipe.evaluate(model, text, split)
        p = (tokens + 1) / (text.width * (text.width + 1) / 2)
        assert found["tokens"] == len(tokens)
        assert found["perplexity"] == pytest.approx(np.exp(-np.log(p).mean()), rel=1e-5)
        assert found["accuracy"] == pytest.approx((tokens == text.width - 1).mean())


def test_the_command_learns_and_tells(recipe, protocol, tmp_path, monkeypatch):
    nm.save_protocol(protocol, tmp_path / "small.toml")
    words = "--width 8 --layers 1 --epochs 12 --rate 0.02 --dropout 0"
    monkeypatch.setattr(
        sys,
        "argv",
        ["language_transformer.py", str(tmp_path / "small.toml"), *words.split(), "--out", str(tmp_path / "t.json")],
    )
    recipe.main()
    found = json.loads((tmp_path / "t.json").read_text())
    assert found["perplexity"][-1] < found["perplexity"][0]
    assert found["validation"]["perplexity"] == pytest.approx(min(found["perplexity"]))
    assert found["kept"] == (1 + np.argmin(found["perplexity"])) * found["epoch_updates"]
    assert found["test"]["perplexity"] < 4
