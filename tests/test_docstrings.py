"""Docstrings of everything public: complete by numpydoc's checks, and with examples that run."""

import doctest
import inspect

import pytest
from mismatched import mismatch
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate
from test_experiment_analysis import MADE

import neuro_mpc as nm
from neuro_mpc.runfile.record import RunFile

pytestmark = pytest.mark.usefixtures("in_this_process")

# Not asked: an extended summary, "See Also", the line on which the summary begins, one line for every summary.
LEFT_OUT = {"ES01", "SA01", "GL01", "GL02", "SS06", "YD01"}
NAMES = [f"neuro_mpc.{name}" for name in nm.__all__ if name != "__version__"]
NAMES += [f"neuro_mpc.analysis.{name}" for name in nm.analysis.__all__]
NAMES += [f"neuro_mpc.plots.{name}" for name in nm.plots.__all__ if inspect.isfunction(getattr(nm.plots, name))]
NAMES += [f"neuro_mpc.stimuli.{table.__name__}" for table in nm.stimuli.StimulusTable.forms()]
CLASSES = ["Circuit", "Network", "Protocol", "Trained", "DescriptionError"]


def members(name):
    """The public methods and properties of a class that this package defines, not those of pydantic."""
    kind = getattr(nm, name)
    own = {key for base in kind.__mro__ if base.__module__.startswith("neuro_mpc") for key in vars(base)}
    documented = (property, classmethod, staticmethod)
    for key in sorted(own):
        value = inspect.getattr_static(kind, key)
        if not key.startswith("_") and (isinstance(value, documented) or inspect.isfunction(value)):
            yield f"neuro_mpc.{name}.{key}"


MEMBERS = [member for name in CLASSES for member in members(name)]


def documented(name):
    """The object, which may share its name with the module that defines it."""
    value = nm
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    return value.__wrapped__ if inspect.ismodule(value) else value  # a room that is called like the function


def problems(name, left_out):
    errors = validate(get_doc_object(documented(name)))["errors"]
    return [f"{code}: {text}" for code, text in errors if code not in left_out]


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_a_complete_docstring(name):
    assert problems(name, LEFT_OUT) == []


def test_every_function_but_those_of_plain_numbers_says_what_it_refuses():
    functions = [name for name in NAMES if inspect.isfunction(documented(name))]
    silent = {name.rpartition(".")[2] for name in functions if not get_doc_object(documented(name))["Raises"]}
    assert silent == {"by_load", "interval", "mean_interval", "power_law", "verdict"}


@pytest.mark.parametrize("name", MEMBERS)
def test_every_public_member_has_a_complete_docstring(name):
    assert problems(name, {*LEFT_OUT, "EX01"}) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the run files that the examples read."""
    folder = tmp_path_factory.mktemp("examples")
    precise = {"learned": "unit", "high": 100}
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 10, "population.hidden.precision": precise})
    protocol = nm.load_protocol("toy-language", TINY)
    nm.simulate(circuit, protocol, backend="numpy", out=folder / "run.nc").close()
    for kind, made in {**{kind: MADE[kind] for kind in EXAMPLES}, "mismatch": mismatch}.items():
        results = made()
        file = folder / f"{kind}.nc"
        with RunFile(file, circuit=circuit, protocol=protocol, seed=0, backend="numpy", threads=1) as record:
            record.experiment(results)
    nm.export(folder / "mismatch.nc", folder / "recording.nwb")
    return folder


EXAMPLES = ("oddball", "lesion", "psychometric", "ensemble")
TINY = {
    "stimulus.length": 4,
    "stimulus.load": 4.0,
    "inference.scheme": "relaxation",
    "inference.iterations": 5,
    "learning.batch": 10,
    "learning.epochs": 1,
    "learning.rate": 0.01,
    "test.generate": 1,
    "recording.synapses_every": 2,
    "recording.trajectory": True,
}


@pytest.mark.parametrize("name", [name for name in (*NAMES, *MEMBERS) if ">>>" in (documented(name).__doc__ or "")])
def test_examples_run(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    example = doctest.DocTestParser().get_doctest(documented(name).__doc__, {}, name, None, None)
    failures = []
    doctest.DocTestRunner(verbose=False).run(example, out=failures.append)
    assert "".join(failures) == ""
