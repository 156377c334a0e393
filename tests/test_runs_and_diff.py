"""`neuro-mpc runs` lists the runs of a folder, `neuro-mpc diff` says in what two runs differ."""

import json
import shutil
import subprocess
from pathlib import Path

import netCDF4
import pytest
from conftest import write_example
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc import cli
from neuro_mpc.runfile import catalogue

SMALL = {"units": 3, "width": 4, "classes": 4, "steps": 2, "presentations": 3, "snapshots": 2, "generation": False}


def command(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words], prog_name="neuro-mpc")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return write_example(tmp_path_factory.mktemp("example") / "run.nc", **SMALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, example):
    """Two complete runs, one that is not, and files that are no runs."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copy(example, folder / "a.nc")
    (folder / "inner").mkdir()
    write_example(folder / "inner" / "b.nc", **{**SMALL, "measure": "perplexity"})
    write_example(folder / "c.nc", **SMALL, complete=False)
    (folder / "cut.nc").write_bytes(example.read_bytes()[:3000])
    (folder / "text.nc").write_text("hello")
    (folder / "sweep.nc").write_text("sums up a sweep")
    (folder / "notes.txt").touch()
    return folder


@pytest.fixture
def changed(example, tmp_path):
    """Copies of the example, changed by a function of the open file."""

    def change(edit):
        path = shutil.copy(example, tmp_path / "changed.nc")
        with netCDF4.Dataset(path, "a") as file:
            edit(file)
        return path

    return change


class TestRuns:
    def test_every_run_has_an_entry_and_one_broken_file_stops_nothing(self, folder):
        entries = {entry.file: entry for entry in catalogue.catalogue(folder)}
        assert list(entries) == ["a.nc", "c.nc.partial", "cut.nc", "inner/b.nc", "text.nc"]
        assert [entry.complete for entry in entries.values()] == [True, False, False, True, False]
        assert "no netCDF-4 file" in entries["text.nc"].trouble
        assert entries["cut.nc"].trouble
        whole = entries["a.nc"]
        assert (whole.circuit, whole.seed, whole.backend, whole.presentations) == ("example", 0, "cpp", 3)

    def test_the_last_and_the_best_test_are_told(self, folder):
        entry = catalogue.entry_of(folder, "inner/b.nc")
        with netCDF4.Dataset(folder / "inner" / "b.nc") as file:
            values = file["learning/perplexity"][:]
        assert (entry.measure, entry.last) == ("perplexity", pytest.approx(values[-1]))
        assert entry.best == pytest.approx(min(values))  # less is better

    def test_a_file_that_ends_the_process_that_reads_it_is_told_as_damaged(self, folder, monkeypatch):
        whole = json.dumps({"file": "a.nc", "complete": True})

        def run(command, *, text, **_):
            crashes = json.loads(text.splitlines()[0]) == "cut.nc"
            return subprocess.CompletedProcess(command, -11 if crashes else 0, "" if crashes else whole, "")

        monkeypatch.setattr(catalogue.processes, "run", run)
        entries = catalogue.read(folder, ["cut.nc", "a.nc"])
        assert [entry.trouble for entry in entries] == ["it is damaged, or no netCDF file", ""]

    @pytest.mark.parametrize(("cores", "files", "processes"), [(8, 130, 4), (2, 130, 2), (8, 59, 2), (8, 39, 1)])
    def test_many_files_are_read_by_several_processes_and_told_in_their_order(
        self, cores, files, processes, monkeypatch
    ):
        asked = []

        def run(command, *, text, **_):
            names = [json.loads(line) for line in text.splitlines()]
            asked.append(len(names))
            return subprocess.CompletedProcess(command, 0, "".join(json.dumps({"file": name}) + "\n" for name in names))

        monkeypatch.setattr(catalogue.processes, "run", run)
        monkeypatch.setattr(catalogue.machine, "cores", lambda: cores)
        names = [f"{number}.nc" for number in range(files)]
        assert [entry.file for entry in catalogue.read(Path(), names)] == names
        assert (len(asked), sum(asked)) == (processes, files)

    def test_what_one_of_several_processes_cannot_do_is_told(self, monkeypatch):
        def run(command, *, text, **_):
            if "39.nc" in text:
                raise nm.RunError("no process can be started")
            return subprocess.CompletedProcess(command, 0, (json.dumps({"file": "a.nc"}) + "\n") * text.count("\n"))

        monkeypatch.setattr(catalogue.processes, "run", run)
        monkeypatch.setattr(catalogue.machine, "cores", lambda: 2)
        with pytest.raises(nm.RunError, match="no process can be started"):
            catalogue.read(Path(), [f"{number}.nc" for number in range(40)])

    def test_a_table_and_json_tell_the_same(self, folder, monkeypatch):
        read = [catalogue.entry_of(folder, file) for file in catalogue.run_files(folder)]
        monkeypatch.setattr(catalogue, "read", lambda folder, files: read)
        head, *lines, total = command("runs", folder).stdout.splitlines()
        assert head.split() == ["run", *"circuit protocol seed backend presentations measure last best state".split()]
        assert lines[0].split()[:2] == ["a.nc", "example"]
        assert lines[0].endswith("complete")
        assert lines[1].endswith("not complete")
        assert total == "5 runs, 2 complete, 2 cannot be read"
        told = json.loads(command("runs", folder, "--json").stdout)
        assert [entry["file"] for entry in told["runs"]] == [entry.file for entry in read]

    def test_text_of_strangers_does_not_reach_the_terminal_as_control_characters(self, changed, monkeypatch):
        path = changed(lambda file: file.setncattr("backend", "\x1b[31mred"))
        entry = catalogue.entry_of(path.parent, path.name)
        monkeypatch.setattr(catalogue, "read", lambda folder, files: [entry])
        output = command("runs", path.parent).stdout
        assert "\x1b" not in output
        assert "[31mred" in output

    @pytest.mark.parametrize("name", ["lost", "a.nc"])
    def test_what_is_no_folder_is_refused(self, folder, name):
        result = command("runs", folder / name)
        assert result.exit_code == 2
        assert f"{name} is not a folder" in result.stderr

    def test_an_empty_folder_has_no_runs(self, tmp_path):
        result = command("runs", tmp_path)
        assert (result.exit_code, result.stdout) == (0, f"no run files in {tmp_path}\n")


@pytest.mark.usefixtures("in_this_process")
class TestDiff:
    def told(self, *words):
        result = command("diff", *words, "--json")
        return result.exit_code, json.loads(result.stdout)

    def test_a_copy_is_equal_bit_for_bit(self, example, changed):
        path = changed(lambda file: file.setncattr("created", "another day"))
        result = command("diff", example, path)
        assert result.exit_code == 0
        assert "variables are equal bit for bit" in result.stdout
        assert len(result.stdout.splitlines()) == 1

    def test_attributes_and_keys_of_descriptions_are_told(self, example, changed):
        def edit(file):
            file.setncattr("seed", "7")
            file.setncattr("circuit", file.circuit.replace('"relu(r)"', '"tanh(r)"'))

        status, told = self.told(example, changed(edit))
        assert status == 1
        found = {each["name"]: (each["before"], each["now"]) for each in told["made_with"]}
        assert found == {
            "circuit.population.hidden.activation": ("'relu(r)'", "'tanh(r)'"),
            "seed": ("0", "7"),
        }
        assert not told["values"]

    def test_the_largest_difference_of_a_variable_is_told(self, example, changed):
        def edit(file):
            file["learning/loss"][1] += 0.25

        status, told = self.told(example, changed(edit))
        assert (status, told["equal"]) == (1, False)
        (unequal,) = told["values"]
        assert (unequal["variable"], unequal["largest"]) == ("learning/loss", pytest.approx(0.25))

    def test_values_that_are_missing_in_one_run_are_told(self, example, changed):
        path = changed(lambda file: file["learning/loss"].__setitem__(0, float("nan")))
        assert "other values are missing or infinite" in command("diff", example, path).stdout

    def test_shapes_and_variables_of_one_run_are_told(self, example, tmp_path):
        longer = write_example(tmp_path / "longer.nc", **{**SMALL, "presentations": 4, "samples": False})
        _, told = self.told(example, longer)
        reasons = {each["variable"]: each["reason"] for each in told["values"]}
        assert reasons["learning/loss"] == "float32 3 presentation and float32 4 presentation"
        assert reasons["neural/hidden/belief"].startswith("only in ")

    def test_the_measures_of_both_are_told(self, example, changed):
        def edit(file):
            file["learning/correct_letter_ratio"][-1] = 0.5

        told = self.told(example, changed(edit))[1]["measured"]
        assert told["correct letter ratio"][1] == 0.5

    def test_values_alone_are_compared_on_request(self, example, changed):
        path = changed(lambda file: file.setncattr("processor", "another one"))
        assert command("diff", example, path).exit_code == 1
        assert command("diff", example, path, "--values").exit_code == 0

    def test_a_file_that_is_no_run_is_trouble(self, example, folder):
        result = command("diff", example, folder / "text.nc")
        assert result.exit_code == 2
        assert "text.nc cannot be read as a run file" in result.stderr
