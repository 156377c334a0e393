"""Result files of the benchmarks of performance, and what differs between two of them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "performance"))

import changes
from results import Results


def measured(path, ratio, seconds):
    found = Results(part="iteration")
    found.begin("2 cores", 7)
    found.add_times(
        {"cpp": {"processor": seconds, "wall": seconds}, f"peer of {path.stem}": {"processor": 1, "wall": 1}}
    )
    found.add_ratio("iteration", "cpp/JAX", ratio, "<=0.9")
    found.save(path)
    return path


@pytest.mark.parametrize(
    ("ratio", "seconds", "ended", "verdicts"),
    [(0.85, 0.002, 0, ["", ""]), (0.7, 0.0021, 0, ["changed", ""]), (0.95, 0.003, 1, ["target missed", "changed"])],
)
def test_what_differs_is_told(tmp_path, monkeypatch, capsys, ratio, seconds, ended, verdicts):
    before, now = measured(tmp_path / "a.json", 0.85, 0.002), measured(tmp_path / "b.json", ratio, seconds)
    assert Results.read(before).times["iteration"]["cpp"]["wall"] == 0.002
    monkeypatch.setattr(sys, "argv", ["changes.py", str(before), str(now)])
    assert changes.main() == ended
    *machines, of_ratio, of_time = capsys.readouterr().out.splitlines()
    assert all(line.endswith("medians of 7, 2 cores") for line in machines)
    for line, name, value, verdict in [
        (of_ratio, "iteration: cpp/JAX", ratio / 0.85, verdicts[0]),
        (of_time, "iteration: cpp (s)", seconds / 0.002, verdicts[1]),
    ]:
        assert line.startswith(name)
        assert line.removesuffix(verdict).split()[-1] == f"{value:.3f}"


@pytest.mark.parametrize(("value", "target", "met"), [(1, "-", True), (0.9, "<=0.9", True), (79, ">=80", False)])
def test_targets_are_limits(value, target, met):
    assert changes.meets(value, target) == met
