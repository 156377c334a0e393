"""The file of a checkpoint: what it holds, when it is due, and what is no checkpoint."""

import hashlib
import json
import math
import struct

import netCDF4
import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc.runfile import checkpoint
from neuro_mpc.runfile.checkpoint import Checkpoints
from neuro_mpc.runfile.paths import saved_path

PROGRESS = {"largest": 0.5, "high": 3, "factor": 0.25, "plateau_factor": 0.5, "best": 1.5, "best_presentation": 7}
ORIGIN = {"seed": "1", "circuit": 'name = "mpl"'}
ARRAYS = {
    "m": np.arange(5, dtype="<f4"),
    "large": np.random.default_rng(0).normal(size=2**18 + 3),  # longer than what is copied at once
    "count": np.array([-1, 2], "<i4"),
}


class Clock:
    """Seconds that pass when they are told to."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def saved(tmp_path):
    """A checkpoint, and the bytes of the run file in it."""
    run = tmp_path / "run.nc"
    with netCDF4.Dataset(run, "w") as file:
        file.setncattr("text", "x" * 3_000)
    content = run.read_bytes()
    Checkpoints(run, run, ORIGIN, 0.0).save(12, ARRAYS, PROGRESS)
    run.unlink()
    return saved_path(run), content


def test_all_that_was_saved_is_read_to_the_last_bit(saved, tmp_path):
    path, records = saved
    found = checkpoint.read(path)
    assert (found.path, found.presentation, found.origin, found.progress) == (path, 12, ORIGIN, PROGRESS)
    assert list(found.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)
    found.write_records(tmp_path / "records.nc")
    assert (tmp_path / "records.nc").read_bytes() == records


def test_its_parts_follow_each_other_and_the_footer_tells_their_sizes_and_digest(saved):
    path, records = saved
    content = path.read_bytes()
    mark = b"neuro_mpc checkpoint 2\n"
    *sizes, digest, written = struct.unpack(f"<3Q32s{len(mark)}s", content[-(3 * 8 + 32 + len(mark)) :])
    assert written == mark
    assert sizes[:2] == [len(records), sum(array.nbytes for array in ARRAYS.values())]
    whole = content[: sum(sizes)]
    assert hashlib.sha256(whole).digest() == digest
    assert whole[: sizes[0]] == records
    assert whole[sizes[0] : sizes[0] + sizes[1]] == b"".join(array.tobytes() for array in ARRAYS.values())
    header = json.loads(whole[-sizes[2] :])
    assert (header["presentation"], header["arrays"]["count"]) == (12, ["<i4", 2])


def test_a_checkpoint_is_due_at_first_then_after_its_interval_or_twenty_times_what_it_cost(tmp_path, monkeypatch):
    clock, run, cost = Clock(), tmp_path / "run.nc", 0.25
    run.touch()
    monkeypatch.setattr(checkpoint, "_write", lambda *_: setattr(clock, "now", clock.now + cost))
    kept = Checkpoints(run, run, ORIGIN, 10.0, clock)
    assert kept.due
    kept.save(0, {}, {})
    for seconds, due in ((9.75, False), (0.25, True), (100.0, True)):
        clock.now += seconds
        assert kept.due == due
    cost = 2.0  # a large file: 5 % of the time are 40 s
    kept.save(1, {}, {})
    for seconds, due in ((39.75, False), (0.25, True)):
        clock.now += seconds
        assert kept.due == due


def test_checkpoints_are_due_whenever_asked_or_never(tmp_path, monkeypatch):
    clock, run = Clock(), tmp_path / "run.nc"
    run.touch()
    monkeypatch.setattr(checkpoint, "_write", lambda *_: setattr(clock, "now", clock.now + 1.0))
    always, never = (Checkpoints(run, run, ORIGIN, every, clock) for every in (0.0, math.inf))
    assert (always.wanted, always.due, never.wanted, never.due) == (True, True, False, False)
    always.save(0, {}, {})
    assert always.due
    clock.now += 1e9
    assert not never.due


def test_a_clock_that_is_set_back_delays_no_checkpoint_of_a_run(tmp_path):
    assert Checkpoints(tmp_path / "run.nc", tmp_path, ORIGIN, 1.0)._clock.__name__ == "monotonic"


def test_one_that_cannot_be_written_leaves_the_last(saved, monkeypatch):
    path, _ = saved
    before, run = path.read_bytes(), path.with_suffix("")
    run.touch()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_write", fail)
    with pytest.raises(nm.RunError, match=r"cannot be written: No space left on device\n.*the last checkpoint is kept"):
        Checkpoints(run, run, ORIGIN, 0.0).save(13, ARRAYS, PROGRESS)
    assert path.read_bytes() == before
    with pytest.raises(nm.RunFileError, match="cannot be read: No such file"):
        checkpoint.read(path.with_name("other.checkpoint"))


def forged(saved, content=b"", footer=None, **entries):
    """A checkpoint with other entries of its header, the digest of which is right."""
    path, records = saved
    header = {"presentation": 12, "origin": ORIGIN, "progress": PROGRESS, "arrays": {}, **entries}
    text = json.dumps(header).encode()
    whole = records + content + text
    digest = hashlib.sha256(whole).digest()
    sizes = footer or (len(records), len(content), len(text))
    path.write_bytes(whole + checkpoint.FOOTER.pack(*sizes, digest, checkpoint.MARK))
    return path


@pytest.mark.parametrize(
    ("progress", "right"),
    [
        ({}, True),
        ({"high": 0, "largest": 0, "factor": 1}, True),
        ({"high": -1}, False),
        ({"high": math.inf}, False),
        ({"high": math.nan}, False),
        ({"factor": 0}, False),
        ({"factor": 1.0001}, False),
        ({"largest": -1}, False),
        ({"largest": math.nan}, False),
    ],
)
def test_progress_is_what_a_training_can_have(saved, progress, right):
    path = forged(saved, progress=PROGRESS | progress)
    if right:
        assert checkpoint.read(path).progress == PROGRESS | progress
        return
    with pytest.raises(nm.RunFileError, match="is damaged: its progress is"):
        checkpoint.read(path)


@pytest.mark.parametrize("missing", PROGRESS)
def test_progress_lacks_nothing(saved, missing):
    with pytest.raises(nm.RunFileError, match="is damaged"):
        checkpoint.read(forged(saved, progress={name: PROGRESS[name] for name in PROGRESS if name != missing}))


def test_a_training_may_be_before_its_first_presentation_and_not_before_that(saved):
    assert checkpoint.read(forged(saved, presentation=0)).presentation == 0
    for number in (-1, 2.0, "3", None):
        with pytest.raises(nm.RunFileError, match=f"is damaged: {number!r} presentations"):
            checkpoint.read(forged(saved, presentation=number))


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"arrays": {"m": ["<i8", 1]}}, "an array of type '<i8'"),
        ({"arrays": {"m": ["<f8", 2]}}, "buffer is smaller"),
        ({"origin": {"seed": 1}}, "its provenance is not text"),
        ({"origin": [1]}, "damaged"),
    ],
)
def test_what_only_looks_like_a_checkpoint_is_told(saved, entries, problem):
    with pytest.raises(nm.RunFileError, match=problem):
        checkpoint.read(forged(saved, b"12345678", **entries))


def test_arrays_of_a_checkpoint_follow_each_other(saved):
    content = struct.pack("<2fid", 1.0, 2.0, -3, 4.0)
    arrays = {"a": ["<f4", 2], "b": ["<i4", 1], "c": ["<f8", 1]}
    found = checkpoint.read(forged(saved, content, arrays=arrays))
    assert {name: array.tolist() for name, array in found.arrays.items()} == {"a": [1, 2], "b": [-3], "c": [4]}


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("by", [-1, 1])
def test_sizes_that_do_not_add_up_are_told(saved, part, by):
    path, records = saved
    forged(saved)
    sizes = [len(records), 0, len(path.read_bytes()) - len(records) - checkpoint.FOOTER.size]
    sizes[part] = (sizes[part] + by) % 2**64
    with pytest.raises(nm.RunFileError, match="it does not end like a checkpoint"):
        checkpoint.read(forged(saved, footer=tuple(sizes)))


def test_a_file_as_short_as_a_footer_is_told_as_what_it_is(tmp_path):
    path = tmp_path / "run.nc.checkpoint"
    path.write_bytes(bytes(checkpoint.FOOTER.size - 1))
    with pytest.raises(nm.RunFileError, match="it is too short"):
        checkpoint.read(path)
    path.write_bytes(bytes(checkpoint.FOOTER.size))
    with pytest.raises(nm.RunFileError, match="it does not end like a checkpoint"):
        checkpoint.read(path)


def test_a_header_is_as_long_as_it_may_be(saved, monkeypatch):
    path = forged(saved)
    length = len(path.read_bytes()) - len(saved[1]) - checkpoint.FOOTER.size
    monkeypatch.setattr(checkpoint, "LARGEST_HEADER", length)
    assert checkpoint.read(path).presentation == 12
    monkeypatch.setattr(checkpoint, "LARGEST_HEADER", length - 1)
    with pytest.raises(nm.RunFileError, match="it does not end like a checkpoint"):
        checkpoint.read(path)


@pytest.mark.parametrize("place", ["the run file", "an array", "the header"])
def test_one_bit_that_differs_is_told(saved, place):
    path, records = saved
    content = bytearray(path.read_bytes())
    at = {"the run file": 0, "an array": len(records), "the header": len(content) - checkpoint.FOOTER.size - 1}
    content[at[place]] ^= 1
    path.write_bytes(content)
    with pytest.raises(nm.RunFileError, match="is damaged: its content does not match its sha256"):
        checkpoint.read(path)


def test_one_of_another_format_is_told_as_such_whatever_it_holds(saved):
    path, _ = saved
    path.write_bytes(path.read_bytes()[: -len(checkpoint.MARK)] + b"neuro_mpc checkpoint 9\n")
    with pytest.raises(nm.RunFileError, match="its format is 9, and this version reads 2"):
        checkpoint.read(path)
    path.write_bytes(path.read_bytes()[: -len(checkpoint.MARK)] + b"another program's end!\n")
    with pytest.raises(nm.RunFileError, match="it does not end like a checkpoint"):
        checkpoint.read(path)


def test_records_that_became_shorter_end_too_early(saved, tmp_path):
    path, records = saved
    found = checkpoint.read(path)
    path.write_bytes(records[:-1])
    with pytest.raises(ValueError, match="it ends too early"):
        found.write_records(tmp_path / "records.nc")
    assert not (tmp_path / "records.nc").exists()


def test_the_run_file_in_it_is_examined_before_it_is_opened(saved, monkeypatch):
    def refuse(path):
        raise nm.RunFileError(f"{path} leads elsewhere")

    monkeypatch.setattr(checkpoint, "refuse_strange", refuse)
    with pytest.raises(nm.RunFileError, match="run.nc.checkpoint leads elsewhere"):
        checkpoint.read(saved[0])


def test_a_checkpoint_is_removed_where_there_is_one(saved):
    path, _ = saved
    for _ in range(2):
        checkpoint.discard(path.with_suffix(""))
        assert not path.exists()
