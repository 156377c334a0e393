"""Where a run is written: what is said of an earlier one, and when it is another run."""

import math
from types import SimpleNamespace

import netCDF4
import pytest

import neuro_mpc as nm
from neuro_mpc.examination import isolation
from neuro_mpc.runfile import lock
from neuro_mpc.runfile.checkpoint import Checkpoints
from neuro_mpc.runfile.paths import partial_path, saved_path
from neuro_mpc.runs import destination
from neuro_mpc.runs.destination import Destination

NOW = {"seed": "1", "backend": "numpy", "processor": "x86-64"}
PROGRESS = dict.fromkeys(("largest", "high", "factor", "plateau_factor", "best", "best_presentation"), 1)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "run.nc"


@pytest.fixture
def said():
    return []


def written(path, complete, **attributes):
    with netCDF4.Dataset(path, "w") as file:
        file.setncatts({**NOW, "complete": complete, **attributes})


def stopped(out, **attributes):
    """A run that was stopped after 7 presentations."""
    written(partial_path(out), 0)
    Checkpoints(out, partial_path(out), {**NOW, **attributes}, 0.0).save(7, {}, PROGRESS)


def test_a_run_that_goes_on_says_after_what(out, said):
    stopped(out)
    saved = Destination(out, resume=True).latest(NOW, said.append)
    assert (saved.presentation, said) == (7, ["resuming after 7 presentations"])


@pytest.mark.parametrize("left", [False, True])
def test_a_run_without_a_checkpoint_says_that_it_begins(out, said, left, monkeypatch):
    monkeypatch.setattr(isolation, "trouble_elsewhere", lambda path: "")
    if left:
        written(partial_path(out), 0)
    assert Destination(out, resume=True).latest(NOW, said.append) is None
    assert said == ["no checkpoint: starting from the beginning"]


def test_a_run_that_is_not_to_be_resumed_reads_no_checkpoint(out, said):
    stopped(out)
    saved_path(out).write_bytes(b"damaged")
    assert Destination(out, overwrite=True).latest(NOW, said.append) is None
    assert not said


def test_a_complete_run_says_so_and_an_unfinished_one_goes_first(out, said):
    assert not Destination(out, resume=True).is_complete(NOW, said.append)
    written(out, 1)
    assert Destination(out, resume=True).is_complete(NOW, said.append)
    assert said == [f"{out} is complete: there is nothing to resume"]
    assert not Destination(out, overwrite=True).is_complete(NOW, said.append)
    for path in (partial_path(out), saved_path(out)):
        path.touch()
        assert not Destination(out, resume=True).is_complete(NOW, said.append)
        path.unlink()
    written(out, 0)
    with pytest.raises(nm.RunError, match="is not the file of a complete run, and there is no checkpoint"):
        Destination(out, resume=True).is_complete(NOW, said.append)


@pytest.mark.parametrize("of", ["a checkpoint", "a partial file", "a complete run"])
def test_another_run_is_told_by_what_differs_of_what_both_know(out, said, of, monkeypatch):
    monkeypatch.setattr(isolation, "trouble_elsewhere", lambda path: "")
    now = NOW | {"seed": "2", "data_sha256": "not known then"}
    if of == "a checkpoint":
        stopped(out, compiler="not known now")
    else:
        written(out if of == "a complete run" else partial_path(out), int(of == "a complete run"))

    def asked(**options):
        destination = Destination(out, resume=True, **options)
        return (destination.is_complete if of == "a complete run" else destination.latest)(now, said.append)

    with pytest.raises(nm.RunError, match=r"is (complete, and )?of another run\n +seed was 1, is 2\n") as caught:
        asked()
    assert "--accept-changes to resume all the same" in caught.value.hint or "accept_changes" in str(caught.value)
    assert not said
    asked(accept_changes=True)
    assert len(said) == 1


def test_what_contradicts_itself_is_refused(out):
    with pytest.raises(nm.RunError, match="cannot both start again and resume"):
        Destination(out, overwrite=True, resume=True)
    for every in (-0.001, math.nan):
        with pytest.raises(nm.RunError, match=f"checkpoints cannot be {every} seconds apart"):
            Destination(out, every=every)
    assert [Destination(out, every=every).every for every in (0.0, math.inf)] == [0.0, math.inf]


@pytest.mark.parametrize(
    ("left", "told"),
    [("", "exists already"), *((ending, "is left from an unfinished run") for ending in (".partial", ".checkpoint"))],
)
def test_what_is_there_is_replaced_or_resumed_only_if_asked(out, left, told):
    out.with_name(out.name + left).touch()
    with pytest.raises(nm.RunError, match=f"{out}{left} {told}"):
        Destination(out)
    assert Destination(out, overwrite=True).path == Destination(out, resume=True).path == out


@pytest.mark.parametrize("path", [partial_path, saved_path])
def test_a_link_in_the_place_of_what_a_run_writes_is_refused(out, path):
    path(out).symlink_to(out.with_name("elsewhere"))
    with pytest.raises(nm.RunError, match="is a link to another file"):
        Destination(out, overwrite=True)


def test_a_run_that_is_being_written_is_neither_replaced_nor_resumed(out):
    with lock.writing(out):
        for options in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(nm.RunError, match="is being written"):
                Destination(out, **options)


class Recording(SimpleNamespace):
    """Stands for the run file: keeps what it was made with."""

    def __init__(self, path, **given):
        super().__init__(path=path, given=given, changes=[])

    def changed(self, *arguments):
        self.changes.append(arguments)

    @classmethod
    def reopened(cls, path, **given):
        return cls(path, reopened=partial_path(path).read_bytes(), **given)


@pytest.fixture
def run(monkeypatch):
    """A run that is prepared, and is written to a file that only keeps what it was made with."""
    monkeypatch.setattr(destination, "RunFile", Recording)
    monkeypatch.setattr(destination, "without_masks", lambda circuit: f"{circuit} without masks")
    return SimpleNamespace(
        provenance=NOW, circuit="circuit", protocol="protocol", seed=3, backend="numpy",
        plan=SimpleNamespace(threads=2), workers=4,
    )  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_a_run_that_begins_has_a_new_file_and_no_checkpoint(out, run, options):
    if options:
        stopped(out)
    made = Destination(out, **options).record(run, None)
    assert not saved_path(out).exists()
    assert made.path == out
    assert made.given == {
        "circuit": "circuit without masks", "protocol": "protocol", "seed": 3, "backend": "numpy", "threads": 2,
        "workers": 4, "overwrite": bool(options), "extra_attributes": {"processor": "x86-64"},
    }  # fmt: skip
    assert not made.changes


@pytest.mark.parametrize("changes", [{}, {"seed": "5", "processor": "other"}])
def test_a_run_that_goes_on_has_the_records_of_its_checkpoint_and_tells_what_changed(out, run, said, changes):
    stopped(out, **changes)
    records = partial_path(out).read_bytes()
    partial_path(out).write_bytes(b"what was written later")
    asked = Destination(out, resume=True, accept_changes=True)
    made = asked.record(run, asked.latest(NOW, said.append))
    assert (made.path, made.given) == (out, {"reopened": records, "protocol": "protocol"})
    lines = ["seed was 5, is 1", "processor was other, is x86-64"] if changes else []
    assert made.changes == ([(7, lines, NOW)] if changes else [])
    assert saved_path(out).exists()
    asked.discard()
    assert not saved_path(out).exists()


def test_checkpoints_stand_beside_the_file_that_is_written(out):
    kept = Destination(out, every=3.0).checkpoints(NOW)
    assert (kept.path, kept.written, kept.origin, kept.every) == (saved_path(out), partial_path(out), NOW, 3.0)


def test_half_written_files_of_a_killed_run_are_removed_before_it_is_written_again(out, run):
    halves = [out.with_name(f"{out.name}{ending}.left.new") for ending in (".partial", ".checkpoint")]
    others = [out.with_name(name) for name in ("other.nc.partial.left.new", f"{out.name}.png.left.new")]
    for path in (*halves, *others):
        path.touch()
    assert Destination(out).record(run, None).path == out
    assert not any(path.exists() for path in halves)
    assert all(path.exists() for path in others)


def test_a_half_written_file_that_another_process_could_not_read_is_not_opened_here(out, said, monkeypatch):
    written(partial_path(out), 0, seed="2")
    monkeypatch.setattr(isolation, "trouble_elsewhere", lambda path: "its reader was killed")
    monkeypatch.setattr(destination, "attributes", lambda path: pytest.fail("it was opened"))
    assert Destination(out, resume=True).latest(NOW, said.append) is None
    assert said == ["no checkpoint: starting from the beginning"]
