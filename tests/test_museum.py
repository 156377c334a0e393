"""The museum's verdicts follow from the numbers that were kept of each seed; its page and its figure show them."""

import re
import runpy
import sys
from pathlib import Path

import mismatched
import numpy as np
import pytest
from drawn import texts
from PIL import Image

import neuro_mpc as nm
from neuro_mpc.analysis import paradigms, verdict
from neuro_mpc.analysis.paradigms import LEAST
from neuro_mpc.runfile.record import RunFile

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "analysis"
PAGE = (ROOT / "docs" / "mismatch.md").read_text(encoding="utf-8")
FIRST = "held signed points"
YES = {"more": "yes", "less": "the reverse", "none": "no", "unclear": "unclear"}
ENTRIES = {
    "Standard mismatch": {"standard": "*Here: {}"},
    "Sequence mismatch": {"sequence": "*Here: {}"},
    "Sensorimotor mismatch": {"sensorimotor": "*Here: {}"},
    "Duration mismatch": {"duration": "*Here: {}"},
    "Omission": {"omission": "*Here: {}"},
    "Repetition suppression and rarity": {
        "repetition": "*Here: {}",
        "many standards": "Many standards do",
        "rarity": "*Rarity: {}",
    },
    "Local against global deviants": {"local": "*Here: local {}, ", "global": ", global {}."},
    "Precision-weighted deviants": {"precision": "*Here: the response {}, ", "precise index": ", the index {}."},
}
"""Entry → effect → what its section says of it."""
WORDS = {"repetition": {"less": "suppression", "more": "enhancement", "none": "none", "unclear": "unclear"}}
DIRECTION = {"repetition": "less", "usual element": "less"}
"""What a response would be, where it is not more than its reference."""


@pytest.fixture(scope="module")
def museum():
    """The names of the recipe."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(FOLDER)
        return runpy.run_path(str(FOLDER / "museum.py"), run_name="museum")


@pytest.fixture(scope="module")
def kept(museum):
    return museum["read"](FOLDER / "museum.csv")


@pytest.fixture(scope="module")
def found(museum, kept):
    return museum["effects"](kept)


def circuits(found, effect, among=("held", "causal")):
    """Circuit → verdict."""
    return {
        circuit: verdict(values)
        for (name, circuit), values in found.items()
        if name == effect and circuit.startswith(among)
    }


def test_verdicts_follow_from_intervals():
    around = np.array([-1, 0, 1, -0.5, 0.5])
    assert verdict(0.2 + 0.1 * around) == "more"
    assert verdict(-0.2 + 0.1 * around) == "less"
    assert verdict(0.01 * around) == "none"
    assert verdict(0.03 + 0.05 * around) == "unclear"
    assert verdict(0.03 + 0.05 * around, least=0.1) == "none"
    assert verdict([0.3]) == "unclear"  # one seed says nothing


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_page_says_of_each_entry_what_its_numbers_say(found, entry):
    section = PAGE.partition(f"### {entry}\n")[2].partition("\n### ")[0]
    assert section.index("*Published.*") < section.index("*Here: ")
    survivals = [(int(number), int(of)) for number, of in re.findall(r"\bin (\d) of (\d)\b", section)]
    for effect, says in ENTRIES[entry].items():
        word = WORDS.get(effect, YES)[verdict(found[effect, FIRST])]
        assert says.format(word) in section
        verdicts = list(circuits(found, effect).values())
        assert survivals.pop(0) == (verdicts.count(DIRECTION.get(effect, "more")), len(verdicts))
    assert not survivals


def test_the_conclusions_of_the_page_hold(found):
    section = " ".join(PAGE.partition("### Which responses survive?\n")[2].partition("\n### ")[0].split())

    def says(claim, among, verdicts):
        """Each of these effects has this verdict in all circuits of that kind."""
        assert claim in section
        for effect, expected in verdicts.items():
            assert set(circuits(found, effect, among).values()) == {expected}, (claim, effect)

    says("survive in every circuit whose predictions are held", "held", {"duration": "more", "omission": "more"})
    says("and so does deviance among many standards", "held", {"many standards": "more"})
    assert "in the standard and in the sensorimotor context survives in three of these four" in section
    for effect in ("standard", "sensorimotor"):
        assert list(circuits(found, effect, "held").values()).count("more") == 3
        assert "more" not in circuits(found, effect, ("causal", "early")).values()
    says("deviants in time and omissions evoke more in every", "early", {"duration": "more", "omission": "more"})
    for effect in ("duration", "omission"):
        early, late = (found[effect, f"{time} signed points"].mean() for time in ("early", "causal"))
        assert late < early / 2
    says(
        "evokes less, and B more than A, in every circuit",
        ("held", "causal", "early"),
        {"usual element": "less", "local": "more"},
    )
    says("Rarity adds to deviance in every circuit whose predictions are held", "held", {"rarity": "more"})
    says("and in none whose beliefs settle", ("causal", "early"), {"rarity": "none"})
    says("the rare end as such evokes nothing more in any", ("held", "causal", "early"), {"global": "none"})
    tires = {effect: verdict(values) for (effect, circuit), values in found.items() if circuit == "fatigue"}
    assert "Fatigue explains the suppression in trains and the response to B, hardly any of what the usual" in section
    assert -LEAST < found["usual element", "fatigue"].mean() < 0
    assert {effect for effect, each in tires.items() if each == DIRECTION.get(effect, "more")} == {
        "usual element",
        "repetition",
        "local",
    }


def test_tables_of_the_page_are_those_of_the_kept_numbers(museum, found):
    for line in "\n".join(museum["tables"](found)).splitlines():
        assert line in PAGE


def test_the_figure_of_the_page_shows_the_kept_numbers(museum, kept):
    with Image.open(ROOT / "docs" / "figures" / "museum.png") as picture:
        assert picture.text["Description"] == museum["digest"](kept)


def test_all_circuits_were_shown_every_context_in_five_seeds(museum, found):
    left_out = {"rarity": "fatigue", "precision": ("fatigue", "early"), "precise index": ("fatigue", "early")}
    for effect in museum["EFFECTS"]:
        shown = {circuit: len(values) for (name, circuit), values in found.items() if name == effect}
        circuits = [each for each in museum["CIRCUITS"] if not each.startswith(left_out.get(effect, ()))]
        assert shown == dict.fromkeys(circuits, 5)


@pytest.fixture(scope="module")
def responses(tmp_path_factory):
    """A run file whose responses are known."""
    path = tmp_path_factory.mktemp("museum") / "run.nc"
    circuit, protocol = nm.load_circuit("mpl-mismatch"), nm.load_protocol("mismatch")
    with RunFile(path, circuit=circuit, protocol=protocol, seed=0, backend="numpy", threads=1) as record:
        record.experiment(mismatched.mismatch())
    return path


def test_contrasts_are_what_was_put_into_the_responses(responses):
    with nm.open_run(responses) as run:
        index = paradigms(run)["index"].isel(run=0)
    expected = {
        **dict.fromkeys(("standard", "sequence", "sensorimotor", "duration", "many standards"), 0.2),
        "usual element": -1 / 3,
        "repetition": -2 / 3,
        "local": 0.0,
        "global": 0.5,
    }  # nothing failed to come
    assert set(index["paradigm"].values) == set(expected)
    for name, value in expected.items():
        assert float(index.sel(paradigm=name)) == pytest.approx(value, abs=0.01), name


def test_rarity_and_precision_compare_circuits_seed_by_seed(museum):
    sizes = {"9 of each": (3.0, 1.0), "140 of each": (1.0, 1.0), "noise 0.05": (3.0, 2.0), "noise 0.2": (1.0, 2.0)}
    rows = [
        museum["Kept"](FIRST, variant, "standard", seed, (1 + 0.1 * seed) * response, (1 + 0.1 * seed) * reference)
        for variant, (response, reference) in sizes.items()
        for seed in range(3)
    ]
    found = museum["effects"](rows[:-1])  # one seed of the last is missing
    np.testing.assert_allclose(found["rarity", FIRST], [0.5] * 3)
    np.testing.assert_allclose(found["precision", FIRST], [0.5] * 2)
    np.testing.assert_allclose(found["precise index", FIRST], [1 / 5 + 1 / 3] * 2)
    assert ("standard", FIRST) not in found  # shown in no circuit that had learned all contexts
    assert "| rarity | **.500** (.500 to .500), n = 3 |" in "\n".join(museum["tables"](found))


def test_what_was_kept_is_shown_as_the_runs_are(responses, tmp_path, monkeypatch, capsys):
    def answer(*words):
        monkeypatch.setattr(sys, "argv", ["museum", *map(str, words)])
        runpy.run_path(str(FOLDER / "museum.py"), run_name="__main__")
        return capsys.readouterr().out

    monkeypatch.syspath_prepend(FOLDER)
    kept, drawn = tmp_path / "kept.csv", tmp_path / "figure.svg"
    sources = [f"{name}={responses}" for name in (FIRST, "early signed points", "fatigue")]
    of_runs = answer(*sources, "--keep", kept)
    of_kept = answer(kept, "--out", drawn)
    assert of_runs.replace(str(kept), "") == of_kept.replace(str(drawn), "")
    assert "| `standard` | *.200* (— to —), n = 1 |  |  |  | *.000*" in of_kept
    assert "| causal, as a step begins: index of | signed points |" in of_kept
    assert {FIRST, "fatigue", "usual element", "1 seed, no interval; filled where it excludes 0"} <= set(texts(drawn))
