"""The equations of a circuit as they are shown: right, whole, narrow, and good Brian2 and LaTeX."""

from __future__ import annotations

import re
import shutil
import subprocess

import matplotlib as mpl
import pytest
from brian2 import Equations
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser
from presented import CASES, circuit
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc import cli
from neuro_mpc.descriptions import expressions
from neuro_mpc.descriptions.loading import shipped
from neuro_mpc.networks.schemes.fixed_prediction import FixedPrediction
from neuro_mpc.networks.schemes.relaxation import Relaxation
from neuro_mpc.rules.breaking import LONGEST_ROW, rows_of, visible
from neuro_mpc.rules.derivation import derive
from neuro_mpc.rules.notation import Unicode
from neuro_mpc.rules.show import NEXT_ROW, _code, _latex_code, as_latex, as_text
from neuro_mpc.rules.symbols import Code
from neuro_mpc.rules.synapse_equations import SOME_PAIRS

ODD = circuit(
    "input low-x 1 own\nlow-x low__x 12 gaussian\nlow__x output 0 spike-and-slab-corpus",
    **{"low-x": "2*relu(r)**2", "low__x": "r"},
)
ODD = ODD.model_copy(update={"description": "Ω_100% of #1 – «ä» π & ξ {x}^2~\\end |a| <b>\n\n漢字"})
CIRCUITS = {
    "mpl": nm.load_circuit("mpl"),
    "pc": nm.load_circuit("pc"),
    "gates": nm.load_circuit("mpl-gru"),
    "odd": ODD,
    **{name: described for name, (described, _) in CASES.items()},
}
every_circuit = pytest.mark.parametrize("name", CIRCUITS)


def blocks(shown: str) -> dict[str, dict[str, str]]:
    """Section → title of Brian2 code → the code without its comments."""
    found = {}
    for title, body in re.findall(r"^(\w.*)\n─+\n((?:.*\n?)*?)(?=^\w.*\n─|\Z)", shown, re.MULTILINE):
        found[title] = {}
        for name, code in re.findall(r"# Brian2: (.*)\n((?:  .*\n?)*)", body):
            lines = code.replace("\\\n", "").splitlines()
            found[title][name] = "\n".join(line for line in lines if not line.startswith("  # "))
    return found


MPL = """
       f(r) = relu(r)
      f′(r) = step(r)
        h_t = G_t + √D_t ε_t
        G_t = μ[input] x_t + μ[recurrent] f(r_{t−1})
        D_t = v[input] x_t² + v[recurrent] f(r_{t−1})²
        e_t = r_t − h_t
        q_t = e_t ε_t / √D_t    (0 where D is 0)
        A_t = μ[recurrent]ᵀ e_{t+1} + μ[output]ᵀ e_t[output]
        V_t = v[recurrent]ᵀ q_{t+1} + v[output]ᵀ q_t[output]
  τ dr_t/dt = −e_t + f′(r_t) ⊙ (A_t + f(r_t) ⊙ V_t)    (relaxation)
        e_t = f′(h_t) ⊙ (A_t + f(h_t) ⊙ V_t)    (fixed prediction, last step first)

        u_t = G_t + √D_t ε_t
        G_t = μ[output] f(r_t[hidden])
        D_t = v[output] f(r_t[hidden])²
        y_t = softmax(u_t)
        e_t = target_t − y_t    (at the steps that are read out)

  F = ½ Σ_t |e_t[hidden]|² − Σ_t target_t[output] · log y_t[output]

                  μ = m/n
                  v = Ξ/n + m² π/(n² (1 − π))
      H₁[recurrent] = Σ_t e_t[hidden] f(r_{t−1}[hidden])ᵀ
      H₂[recurrent] = Σ_t q_t[hidden] (f(r_{t−1}[hidden])²)ᵀ
                 Δm = (η/B) (H₁/n + H₂ m π/(n² (1 − π)))
                 Δπ = (η/B) (H₂ m²/(2 n² (1 − π)²))    (kept between 0 and 0.99)
                 ΔΞ = (η/B) (H₂/(2 n))    (kept at least 0)

  dr/dt = (-err + (A + V*f)*step(r))/tau : 1              # r_t  belief
  err = (A + V*f)*step(r) : 1 (constant over dt)          # e_t  prediction error
  p_pi : 1                                                # π
"""


def test_mpl_shows_the_equations_of_the_paper():
    shown = {line.strip() for line in as_text(CIRCUITS["mpl"]).splitlines()}
    missing = [line for line in map(str.strip, MPL.splitlines()) if line not in shown]
    assert not missing


def test_point_weights_show_no_variance():
    shown = as_text(CIRCUITS["pc"])
    assert "τ dr_t/dt = −e_t + f′(r_t) ⊙ A_t    (relaxation)" in shown
    assert not re.search(r"ε|√|q_t|V_t|H2|π", shown)


def test_delays_and_names_of_others_are_shown():
    shown = as_text(CIRCUITS["mixed"])
    assert "G_t = μ[input-b-1] x_{t−1} + μ[a-b-0] f(r_t[a]) + μ[a-b-2] f(r_{t−2}[a])" in shown
    assert "μ[b-a-1]ᵀ e_{t+1}[a]" in shown
    assert "Δamp = 0.5 (η/B)" in shown


@every_circuit
def test_text_fits_in_a_terminal(name):
    assert max(map(len, as_text(CIRCUITS[name]).splitlines())) <= 100


@every_circuit
def test_shown_code_is_the_code_of_the_rules(name):
    described = CIRCUITS[name]
    shown, rules = blocks(as_text(described)), derive(described)
    relaxation, fixed = Relaxation(), FixedPrediction()
    for population, expected in rules.populations.items():
        code = shown[f"Population {population}"]
        assert Equations(code["value units"]) == Equations(relaxation.belief(expected, settles=False))
        assert Equations(code["prediction units"]) == Equations(expected.prediction())
        assert Equations(code["error units"]) == Equations(relaxation.error(expected))
        assert Equations(code["error units under fixed prediction"]) == Equations(fixed.error(expected))
    for population, expected in rules.readouts.items():
        code = shown[f"Population {population}"]
        assert Equations(code["prediction units"]) == Equations(expected.prediction())
        assert Equations(code["error units"]) == Equations(expected.error(missing=False))
    for synapses in rules.synapses.values():
        code = shown[f"Synapses {synapses.type_name}"]
        some = f" {SOME_PAIRS}" if synapses.connects_some else ""
        assert Equations(code[f"synapses{some}"]) == Equations(synapses.equations())
        steps = [f"rate*({rule.descent.text})/trials" for rule in synapses.parameters]
        learning = "".join(code[f"learning{some}"].split())
        assert all("".join(step.split()) in learning for step in steps)


def test_shown_code_of_split_errors_is_that_of_both_halves():
    split = {"positive": 2.0, "baseline": 0.5}
    described = nm.load_circuit("mpl", {"population.hidden.errors": split, "population.output.errors": split})
    shown = blocks(as_text(described))
    for population, error, linked in (("hidden", "r - h", ("r", "h")), ("output", "target - y", ("target", "y"))):
        links = "".join(f"\n{name} : 1 (linked)" for name in linked)
        for sign, rate in (("positive", f"0.5 + {error}"), ("negative", f"0.5 + -({error})")):
            expected = f"{sign} = relu({rate}) : 1 (constant over dt){links}"
            assert Equations(shown[f"Population {population}"][f"{sign} error units"]) == Equations(expected)


def test_equations_of_split_errors_are_those_of_both_halves_and_of_what_is_sent():
    shown = {}
    for baseline in (0.5, 0.0):
        split = {"positive": 2.0, "baseline": baseline}
        whole = as_text(nm.load_circuit("mpl", {"population.output.errors": split}))
        part = whole[whole.index("Population output") :]
        shown[baseline] = [" ".join(line.split()) for line in part.splitlines() if re.match(r" +e", line)][:3]
    asked, sent = "(at the steps that are read out)", "(what is sent and learned from)"
    assert shown == {
        0.5: [
            f"e⁺_t = [0.5 + target_t − y_t]₊ {asked}",
            f"e⁻_t = [0.5 − (target_t − y_t)]₊ {asked}",
            f"e_t = 2 (e⁺_t − 0.5) − (e⁻_t − 0.5) {sent}",
        ],
        0.0: [
            f"e⁺_t = [target_t − y_t]₊ {asked}",
            f"e⁻_t = [−(target_t − y_t)]₊ {asked}",
            f"e_t = 2 e⁺_t − e⁻_t {sent}",
        ],
    }


@every_circuit
def test_latex_is_a_whole_document(name):
    document = as_latex(CIRCUITS[name])
    assert document.startswith("\\documentclass")
    assert document.endswith("\\end{document}\n")
    begun, ended = (re.findall(rf"\\{word}{{(\w+\*?)}}", document) for word in ("begin", "end"))
    assert sorted(begun) == sorted(ended)
    assert not re.search(r"\^\{(?:[^{}]|\{[^{}]*\})*\}\^", document), "a superscript on a superscript"
    unescaped = re.sub(r"\\[{}]", "", document)
    assert unescaped.count("{") == unescaped.count("}")


GATED = (
    "sigmoid(gate)*tanh(input + sigmoid(reset)*recurrent)*sigmoid(input)*tanh(before)/(1 + sigmoid(reset + gate)**2)"
)


def test_a_line_of_code_has_its_symbol_at_the_right_of_the_page():
    code = Code("of units", (("v : 1", r"\bm v_t", "variance"), ("w*x : 1", "", "")))
    assert _latex_code(code).split(NEXT_ROW)[1:] == [
        r"{\small\raggedright \texttt{v : 1}\hfill $\bm v_t$",
        r"\texttt{w*\allowbreak x : 1}\par}",
    ]
    shown = _code(code).split("\n")
    assert shown[0] == "  # Brian2: of units"
    assert re.fullmatch(r"  v : 1 +# \\bm v_t  variance", shown[1])
    assert shown[2] == "  w*x : 1"


@pytest.mark.parametrize("name", [*shipped("circuit"), GATED])
def test_rows_of_latex_fit_on_a_page(name):
    """A row and the left side with which it is aligned, at 10 pt: 160 mm."""
    circuit = (
        nm.load_circuit("mpl-gru", {"population.hidden.prediction": name}) if name == GATED else nm.load_circuit(name)
    )
    widest = 0.0
    for section in re.findall(r"\\begin{align\*}\n(.*?)\n\\end{align\*}", as_latex(circuit), re.DOTALL):
        rows = [row.split("&") for row in section.split(NEXT_ROW)]
        for formula in {right.split(r"\qquad")[0] for _, right in rows}:
            assert visible(formula) <= LONGEST_ROW + 2, formula
            assert formula.count(r"\left") == formula.count(r"\right")
        left, right = (max(texts, key=visible) for texts in zip(*rows, strict=True))
        if visible(left) + visible(right) > widest:
            widest, measured = visible(left) + visible(right), (left, right)
    assert sum(map(millimetres, measured)) <= 160


def millimetres(latex: str) -> float:
    """The width of a formula in Computer Modern at 10 pt; Matplotlib's mathematics knows less."""
    known = re.sub(r"\\big[lr]", "", latex.strip().replace(r"\tfrac12", r"\frac{1}{2}"))
    with mpl.rc_context({"mathtext.fontset": "cm"}):
        return MathTextParser("path").parse(f"${known or '.'}$", 72, FontProperties(size=10)).width / 72 * 25.4


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("r**2", "r²"),
        ("r**10", "r¹⁰"),
        ("r**1.5", "r^(3/2)"),
        ("s - 2.5*r", "−2.5 r + s"),
        ("abs(r)", "|r|"),
    ],
)
def test_a_formula_in_unicode_has_powers_products_and_signs_of_mathematics(formula, text):
    assert Unicode().formula(expressions.parse(formula, ("r", "s")), {}) == text


def test_a_formula_is_broken_where_it_can_be_read():
    term = r"\sigma{\left(abcdefghij + klmnopqrst \right)}"
    assert rows_of(rf"{term} - {term} \, {term} + {term}") == [term, rf"- {term} \, {term}", f"+ {term}"]
    assert rows_of(rf"{term} \, {term} \, {term}") == [rf"{term} \, {term}", rf"\cdot {term}"]
    assert rows_of(rf"e \odot \left({term} \, {term} - {term} \, {term}\right)") == [
        rf"e \odot \left({term} \, {term}\right.",
        rf"\left.- {term} \, {term}\right)",
    ]
    exactly = "a" * 20 + " + " + "b" * (LONGEST_ROW - 21)  # which fits to the last character
    assert rows_of(f"{exactly} + c") == [exactly, "+ c"]
    assert rows_of(f"{exactly}b + c") == ["a" * 20, "+ " + "b" * (LONGEST_ROW - 20) + " + c"]
    assert rows_of("a" * 70 + " + b") == ["a" * 70, "+ b"]
    assert rows_of("a" * 100) == ["a" * 100]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex")
@pytest.mark.parametrize("name", ["mpl", "pc", "gates", "odd", "own", "mixed"])
def test_latex_compiles(name, tmp_path):
    (tmp_path / "shown.tex").write_text(as_latex(CIRCUITS[name]), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "shown.tex"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace").stdout
    assert (tmp_path / "shown.pdf").exists(), told[-2000:]
    assert "Overfull" not in told


def test_the_command_shows_both():
    plain, latex = (CliRunner().invoke(cli.app, ["show", "mpl", *options]) for options in ([], ["--latex"]))
    assert plain.output.strip() == as_text(CIRCUITS["mpl"]).strip()
    assert latex.output.strip() == as_latex(CIRCUITS["mpl"]).strip()


def test_a_scheme_made_from_relaxation_adds_nothing_to_what_is_printed():
    class Aged(Relaxation):
        own_equations = ("age : 1",)

    assert not Aged().laws(Unicode(), str)
    assert not Aged().code(None)


@pytest.mark.parametrize("prediction", ["input", "2*input"])
@pytest.mark.parametrize(
    ("sources", "told"),
    [(["pixels"], "the stimulus"), (["one"], "constant units"), (["pixels", "one"], "the stimulus and constant units")],
)
def test_given_input_is_told_by_what_gives_it(prediction, sources, told):
    roles = {"pixels": "stimulus", "one": "constant"}
    projections = {name: nm.Projection(source=name, target="hidden", synapse="point") for name in sources}
    circuit = nm.Circuit(
        name="given",
        population={
            **{name: nm.Population(role=roles[name], size=3) for name in sources},
            "hidden": nm.Population(size=4, prediction=prediction),
            "out": nm.Population(role="target", size=2),
        },
        projection={**projections, "answer": nm.Projection(source="hidden", target="out", synapse="point")},
    )
    (line,) = re.findall(r"mean input,? from (.*)", as_text(circuit))
    assert line == told
