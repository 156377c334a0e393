"""What SymPy derived is kept: seen again, a circuit needs no SymPy; what is damaged or strange is derived again."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.printing.numpy import NumPyPrinter
from test_expressions import FORMULAS, NAMES, POINT, accepted

import neuro_mpc as nm
from neuro_mpc.descriptions import derived, expressions, formulas
from neuro_mpc.descriptions.arithmetic import Arithmetic, arithmetic
from neuro_mpc.descriptions.expressions import array_text, derivative, parse
from neuro_mpc.descriptions.formulas import SIZES, formula
from neuro_mpc.descriptions.functions import ARRAYS, FUNCTIONS, NUMERIC
from neuro_mpc.descriptions.symbolic import SYMBOLIC
from neuro_mpc.errors import DescriptionError
from neuro_mpc.rules import terms
from neuro_mpc.rules.derivation import derive

OWN_CIRCUIT = """
name = "own"

[population.input]
role = "stimulus"

[population.hidden]
size = 5
activation = "tanh(r) + 0.125*r"
prediction = "0.75*before + 0.25*input*sigmoid(gate)"
precision = { learned = "unit", high = 100 }

[population.output]
role = "target"

[projection.in]
from = "input"
to = "hidden"
synapse = "own"

[projection.gate]
from = "input"
to = "hidden"
compartment = "gate"
synapse = "own"

[projection.again]
from = "hidden"
to = "hidden"
delay = 1
synapse = "own"
initial.a = "normal(0, 1/sqrt(n)) + 0.5*identity()"

[projection.out]
from = "hidden"
to = "output"
synapse = "own"

[synapse.own]
mean = "a/n"
variance = "exp(b)/n + a**2*p/(1 - p)/n**2"
spike = "p"
parameter.a = { initial = "normal(0, 0.7)" }
parameter.b = { initial = "uniform(-3, -2)*1" }
parameter.p = { initial = 0.125, low = 0, high = 0.9 }
"""

CODE = """
import sys
from contextlib import nullcontext
from pathlib import Path
import neuro_mpc as nm

circuit, protocol, out, expected = sys.argv[1:]
nm.load_circuit(circuit)
assert ("sympy" in sys.modules) == (expected == "derives"), "load_circuit"
settings = {"inference.scheme": "relaxation", "learning.initial.in.a": "normal(0, 0.3)"}
try:
    described = nm.load_protocol(protocol, settings)
    nm.check(circuit, described, backend="numpy")
except nm.DescriptionError:  # of another circuit
    described = nm.load_protocol(protocol)
    nm.check(circuit, described, backend="numpy")

from neuro_mpc.networks import launch, program_cache
from neuro_mpc.runs import run

class Starting(Exception): ...
def present(program, plan, *_, **__):
    program_cache.key_of(plan), launch.tiling_of(plan)  # what a program that is cached is found by
    raise Starting
launch.start, run.Presenter = lambda *_: nullcontext(), present
try:
    run.write_run(circuit, described, out=Path(out), seed=0, backend="numpy", threads=1)
except Starting:
    pass
assert ("sympy" in sys.modules) == (expected == "derives"), "run"
assert not {"brian2", "mpmath"} & set(sys.modules) or expected == "derives"
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A folder of what is kept with nothing in it, also for this process."""
    monkeypatch.setenv("NEURO_MPC_CACHE", str(tmp_path / "cache"))
    forget()
    yield tmp_path / "cache"
    forget()


def forget():
    """As in a new process."""
    for kept in (derived._file, formulas._formula, terms._printed):
        kept.cache_clear()


def kept_file(folder: Path) -> Path:
    (path,) = folder.glob("derived-*")
    return path


def written(folder: Path) -> int:
    return len(kept_file(folder).read_bytes().strip().splitlines())


def test_a_circuit_of_ones_own_and_a_shipped_one_need_sympy_the_first_time_only(tmp_path, cache):
    (tmp_path / "own.toml").write_text(OWN_CIRCUIT)
    for circuit in (tmp_path / "own.toml", "mpl"):
        for expected in ("derives", "knows"):
            out = tmp_path / f"{Path(circuit).stem}-{expected}.nc"
            command = [sys.executable, "-c", CODE, str(circuit), "toy-language", str(out), expected]
            subprocess.run(command, check=True, cwd=tmp_path, env=os.environ)


def values_of(circuit: nm.Circuit) -> dict[str, object]:
    """What is asked of a circuit's texts: printed rules, and values that are read from the file."""
    rules = derive(circuit)
    synapses = {
        name: [each.equations(), *(rule.descent.text for rule in each.parameters)]
        for name, each in rules.synapses.items()
    }
    populations = {name: [each.belief("r : 1"), each.error("e : 1", ())] for name, each in rules.populations.items()}
    initial = {name: formula(name, SIZES, random=True) for name in ("normal(n, 1) - normal(0, 1)", "2*identity()")}
    return {**synapses, **populations, **initial}


def own_circuit() -> nm.Circuit:
    return nm.Circuit.from_tables(tomllib.loads(OWN_CIRCUIT), "own")


def torn(content: bytes) -> bytes:
    return content[: len(content) // 2]


def with_one_letter_changed(content: bytes) -> bytes:
    """In the data of each line: another digit, or another letter."""
    swapped = bytes.maketrans(b"0123456789abn", b"1234567890ban")
    return b"\n".join(line[:50] + line[50:].translate(swapped) for line in content.split(b"\n"))


def of_a_stranger(content: bytes) -> bytes:
    """Data that no derivation gives, with the digests that they should have."""
    strange = ["__import__('os').abort()", {"text": "n.real", "number": None, "differentiable": [], "draws": []}, 7]
    strange += [["(lambda: 1)()", None, False], [[], None, False], [], None]
    strange += [{"text": "n", "number": None, "differentiable": [], "draws": [["_1", "system", ["n"]]]}]
    lines = []
    for number, line in enumerate(content.decode().strip().splitlines()):
        name, text = line.split(" ")[0], json.dumps(strange[number % len(strange)])
        lines.append(f"\n{name} {derived._digest(f'{name} {text}')} {text}")
    return "".join(lines).encode()


@pytest.mark.parametrize(
    "damaged",
    [torn, with_one_letter_changed, of_a_stranger, lambda content: b"\xff\x00" * 4000, lambda content: b"[" * 10**6],
    ids=["torn", "changed", "strange", "garbage", "deep"],
)
def test_a_file_that_is_damaged_or_strange_is_derived_again(cache, damaged):
    expected = values_of(own_circuit())
    path = kept_file(cache)
    path.write_bytes(damaged(path.read_bytes()))
    forget()
    assert values_of(own_circuit()) == expected
    forget()
    before = path.read_bytes()
    assert values_of(own_circuit()) == expected  # from what was appended
    assert path.read_bytes() == before


def test_what_is_kept_is_read_in_place_of_deriving(cache, monkeypatch):
    expected, number = values_of(own_circuit()), written(cache)
    forget()
    monkeypatch.setattr(expressions, "_Reader", None)
    assert values_of(own_circuit()) == expected
    assert written(cache) == number


@pytest.mark.parametrize("changed", ["versions", "names", "random"])
def test_other_versions_names_and_kinds_are_told_apart(cache, monkeypatch, changed):
    formula("n", ["n"])
    forget()
    if changed == "versions":
        monkeypatch.setattr(derived, "VERSIONS", {"sympy": "release.py"})
        derived._versions.cache_clear()
        formula("n", ["n"])
        assert len([*cache.glob("derived-*")]) == 2
        monkeypatch.undo()
        derived._versions.cache_clear()
    elif changed == "names":
        with pytest.raises(DescriptionError, match="unknown name 'n'"):
            formula("n", ["m"])
        assert written(cache) == 1
    else:
        formula("n", ["n"], random=True)
        assert written(cache) == 2


def test_a_refusal_says_where_it_is_and_is_not_kept(cache):
    for _ in range(2):
        with pytest.raises(DescriptionError, match="unknown name 'q'") as caught:
            formula("q + 1", ["m"], source="a.toml", key="synapse.s.mean")
        assert (caught.value.source, caught.value.key, caught.value.found) == ("a.toml", "synapse.s.mean", "q + 1")
    assert not [*cache.glob("derived-*")]


def test_a_file_that_becomes_too_large_begins_anew(cache, monkeypatch):
    monkeypatch.setattr(derived, "LARGEST", 1000)
    for number in range(40):
        formula(f"n + {number}", ["n"])
        assert kept_file(cache).stat().st_size <= 1000
    assert 1 < written(cache) < 40


def test_without_a_place_to_write_nothing_is_kept_and_all_is_derived(cache):
    cache.write_text("in the way of the folder")
    assert formula("n + 1", ["n"]).evaluate({"n": 2}) == 3
    assert cache.read_text() == "in the way of the folder"


def test_functions_are_the_same_ones_for_sympy_numbers_and_arrays():
    assert set(SYMBOLIC) == set(NUMERIC) == set(ARRAYS) == set(FUNCTIONS)


@pytest.mark.parametrize(
    "text",
    [
        *("", "n.real", "n[0]", "f(n)", "exp(n)(n)", "exp(x=n)", "(lambda: 1)()", "n if n else m", "True", "'n'"),
        *("+n", "n or m", "n < m", "(n, m)", "*n", "n // 2", "n % 2", "n @ m", "~n", "1j", "n = 1", "[n]", "f'{n}'"),
        *("__import__('os').abort()", "exp.__class__", "None", "...", "(" * 500),
    ],
)
def test_text_that_is_no_arithmetic_is_refused(text):
    with pytest.raises(ValueError, match="."):
        Arithmetic(text)


def test_a_sum_of_very_many_terms_is_computed():
    assert arithmetic("n" + " + 2*n" * 600)({"n": 1.0}) == 1201


def by_lambdify(expression, values):
    """The values as SymPy itself has NumPy compute them."""
    own = {name: ARRAYS[name] for name in ("relu", "step", "sigmoid", "softplus")}
    options = {"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True}
    printer = NumPyPrinter({**options, "user_functions": {name: name for name in own}})
    names = expressions.symbol_names(expression)
    # Names of dummies are put in order as text: those of one expression have to have equally many digits.
    sympy.Dummy._count = 10**7
    symbols = [sympy.Symbol(name, real=True) for name in names]
    compiled = sympy.lambdify(symbols, expression, modules=[own], printer=printer, dummify=True)
    return np.asarray(compiled(*(np.asarray(values[name], dtype=float) for name in names)), dtype=float)


def the_same(expression) -> bool:
    grid = np.random.default_rng(1).normal(size=(4, 50))
    values = {name: value + grid[k] for k, (name, value) in enumerate(POINT.items())}
    with np.errstate(all="ignore"):
        found, expected = expressions.evaluate(expression, values), by_lambdify(expression, values)
    return found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "text",
    [
        "m**2*pi/(n**2*(1 - pi)) + r/n",
        "m + pi + n + r + m*pi*n*r + 0.1",
        "m*pi*n - r*n/3 - 0.1*m",
        "1/sqrt(n**2) + n**-1.5 + abs(r)**0.5",
        "-m**2 - (-m)**2 - 2**3*m + m**-2",
        "exp(-m**2/2) + exp(r)/(1 + exp(n))",
        "softplus(r) - relu(-r) + sigmoid(r)*step(n) + sign(m)*floor(n)",
        "tanh(r)*cos(n) + sin(m)*log(n**2)",
    ],
)
def test_values_and_those_of_derivatives_are_to_the_last_bit_those_of_sympy(text):
    expression = parse(text, NAMES)
    assert the_same(expression)
    for name in {*NAMES} & formula(text, NAMES).differentiable:
        assert the_same(derivative(expression, name))


@settings(max_examples=150, deadline=None)
@given(FORMULAS | st.lists(FORMULAS, min_size=3, max_size=6).map(" + ".join))
def test_values_of_any_formula_are_to_the_last_bit_those_of_sympy(text):
    expression = accepted(text)
    if expression is None:
        return
    assert the_same(expression)
    assert arithmetic(array_text(expression)).names == {*expressions.symbol_names(expression)}
    assert formula(text, NAMES).text == array_text(expression)
