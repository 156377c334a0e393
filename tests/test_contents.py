"""What `check` counts in the file of a run, beside the file."""

from typing import Any

import h5py
import pytest

import neuro_mpc as nm
from neuro_mpc.runs import contents
from neuro_mpc.runs.preparation import prepare

pytestmark = pytest.mark.usefixtures("in_this_process")

SMALL = {
    "stimulus.letters": 5,
    "stimulus.length": 3,
    "stimulus.load": 1.0,
    "learning.batch": 2,
    "learning.presentations": 2,
    "test.generate": 1,
}
RECORDED = {"recording.samples": [0, -1], "inference.step_duration": 10.0}
RELAXED = {"inference.scheme": "relaxation", "inference.iterations": 2, "recording.trajectory": True}


def some(**entries):
    """A circuit with a projection that connects some units only, and entries of `hidden`."""
    sizes = {"population.hidden.size": 3, "projection.recurrent.connect": "one-to-one"}
    return nm.load_circuit("mpl", sizes | {f"population.hidden.{name}": value for name, value in entries.items()})


def objects_of(group: Any) -> int:
    names = []
    group.visit(names.append)
    return 1 + len(names)


@pytest.mark.parametrize(
    ("circuit", "settings"),
    [
        (lambda: some(), {}),
        (lambda: some(), RECORDED),
        (lambda: some(), RECORDED | RELAXED),
        (lambda: some(errors="split", precision={"learned": "unit", "high": 10.0}), RECORDED | RELAXED),
        (lambda: nm.load_circuit("mpl-gru", {"population.hidden.size": 3}), RECORDED),
        (lambda: some(), RECORDED | {"recording.populations": ["hidden"]}),
    ],
)
def test_no_object_of_a_run_file_is_missing(circuit, settings, tmp_path):
    """Once for the whole run, more are allowed for than there are."""
    protocol = nm.load_protocol("toy-language", SMALL | settings)
    nm.simulate(circuit(), protocol, seed=1, backend="numpy", out=tmp_path / "run.nc").close()
    run = prepare(circuit(), protocol, seed=1, backend="numpy", threads=1)
    told = contents.objects(run.plan, run.protocol) - contents.OF_THE_REST
    with h5py.File(tmp_path / "run.nc") as file:
        rooms = {"", "synapses", "neural", "precision"} & {"", *file}  # which hold groups alone
        of_the_rest = len(rooms) + sum(objects_of(file[name]) for name in ("learning", "generation", "evaluation"))
        found = objects_of(file) - of_the_rest
    assert 0.85 * told <= found <= told
    assert 2 * of_the_rest < contents.OF_THE_REST


def test_a_run_whose_file_could_not_be_opened_is_refused_before_it_starts(monkeypatch):
    protocol = nm.load_protocol("toy-language", SMALL | RECORDED)
    monkeypatch.setattr(contents, "MOST_OBJECTS", 220)
    with pytest.raises(nm.RunError, match=r"would hold about \d+ groups.*may hold 220") as error:
        nm.check(some(), protocol, backend="numpy")
    assert "recording.samples = []" in error.value.hint
    monkeypatch.setattr(contents, "MOST_OBJECTS", 400)
    nm.check(some(), protocol, backend="numpy")


def test_the_largest_chain_of_populations_can_be_opened():
    """500, by synapses of three parameters, which has been written and refused."""
    each = contents.OF_SNAPSHOTS + 3
    assert 499 * each + contents.OF_THE_REST < contents.MOST_OBJECTS
