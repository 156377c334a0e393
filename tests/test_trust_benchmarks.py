"""The benchmarks that disturb runs: what they name exists, and their model of a disk forgets what was not flushed."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import disk_model
from kill_and_resume import PHASES
from system_calls import Call


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_in_which_runs_are_killed_begins_with_a_function(phase):
    owner, name, *_ = PHASES[phase]
    assert callable(getattr(owner, name))


def calls(folder, *made):
    """Calls on files of a folder: (name, file, data or new name)."""
    for number, (name, file, *more) in enumerate(made, 1):
        data = more[0] if name == "write" else b""
        other = f"{folder}/{more[0]}" if name == "rename" else ""
        path = f"{folder}/{file}" if file else f"{folder}"
        yield Call(name, number, (1, hash(file)), 0, len(data), path, other, data, name == "open")


WRITTEN = [("open", "a.new"), ("write", "a.new", b"new" * 500)]
RENAMED = [("rename", "a.new", "a")]
FLUSHED = [("fsync", "a.new")]


def left(folder, made) -> set[tuple[bytes | None, bool]]:
    """What may be left: the content of `a`, and whether `a.new` is there."""
    (folder / "a").write_bytes(b"old")
    disk, chance = disk_model.Disk(folder), random.Random(1)
    for call in calls(folder, *made):
        disk.note(call)
    states = [disk.left(names, content, chance) for names in disk_model.NAMES for content in disk_model.CONTENTS * 40]
    return {(state.get("/a"), "/a.new" in state) for state in states}


def test_a_file_that_was_flushed_before_it_was_renamed_is_the_old_or_the_new_one(tmp_path):
    found = left(tmp_path, WRITTEN + FLUSHED + RENAMED)
    assert {content for content, _ in found} == {b"old", b"new" * 500}


def test_a_file_that_was_not_may_be_empty_short_torn_or_zero(tmp_path):
    contents = {content for content, _ in left(tmp_path, WRITTEN + RENAMED)}
    assert {b"old", b"", bytes(1500), b"new" * 500} < contents
    assert any(content and b"\0" in content and b"new" in content for content in contents)


def test_once_the_folder_is_flushed_nothing_of_the_old_is_left(tmp_path):
    assert left(tmp_path, [*WRITTEN, *FLUSHED, *RENAMED, ("fsync", "")]) == {(b"new" * 500, False)}


def test_what_was_removed_may_come_back_until_the_folder_is_flushed(tmp_path):
    removed = [("unlink", "a")]
    assert {content for content, _ in left(tmp_path, removed)} == {b"old", None}
    assert left(tmp_path, [*removed, ("fsync", "")]) == {(None, False)}
