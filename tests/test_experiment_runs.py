"""Experiments as runs: what is refused, what the command line changes, and what is in the file."""

import numpy as np
import pytest
from shown_circuits import circuits_shown
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc import analysis, cli
from neuro_mpc.experiments import oddball

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_this_process")]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """task → a trained circuit, simulated once."""
    with circuits_shown(tmp_path_factory.mktemp) as make:
        yield make


class TestRun:
    def test_results_are_in_the_run_file(self, shown, tmp_path):
        source = shown("mpl").trained.source
        protocol = nm.load_protocol("oddball", {"experiment.trials": 5, "experiment.position": 2})
        nm.simulate(None, protocol, start=source, backend="numpy", out=tmp_path / "oddball.nc").close()
        with nm.open_run(tmp_path / "oddball.nc") as run:
            found = analysis.experiment(run, "oddball").load()
            assert found.attrs["kind"] == "oddball"
            assert found.attrs["position"] == 2
            assert found["error"].sizes == {"condition": 3, "population": 2, "step": 5, "trial": 5}
            assert list(found["condition"].values) == ["standard", "control", "deviant"]
            assert "units" in found["error"].attrs
            assert "root mean square" in found["error"].attrs["long_name"]
            assert run["learning"].sizes == {"presentation": 0, "test": 0}
            assert nm.load_trained(run).parameters.keys() == {"input", "recurrent", "output"}
            assert run.attrs["start_run"] == "run.nc"
            assert run.attrs["seed"] == 3
        expected = shown("mpl").conduct(oddball, position=2, trials=5)
        np.testing.assert_allclose(found["error"], expected["error"], rtol=1e-5)

    @pytest.mark.parametrize(
        ("name", "task", "settings", "problem"),
        [
            ("oddball", "digits", {}, "no letters that are forbidden"),
            (
                "oddball",
                "mpl",
                {"experiment.position": 5},
                "experiment.position: .*[\\s\\S]*expected: 1 to 4",
            ),
            (
                "omission",
                "digits",
                {"experiment.position": 7, "experiment.duration": 2},
                "1 to 6 for 2 of 8 steps",
            ),
            ("lesion", "mpl", {"experiment.where": ["recurent"]}, "did you mean 'recurrent'"),
            (
                "lesion",
                "mpl",
                {"experiment.where": ["recurrent"], "experiment.of": "units"},
                "free population",
            ),
            ("generation", "digits", {}, "no letters to generate"),
        ],
    )
    def test_misfits_are_told_before_anything_is_compiled(self, shown, name, task, settings, problem):
        with pytest.raises(nm.DescriptionError, match=problem):
            nm.check(None, nm.load_protocol(name, settings), start=shown(task).trained, backend="numpy")

    def test_an_experiment_needs_a_trained_circuit(self):
        with pytest.raises(nm.RunError, match="lesion is an experiment on a trained circuit[\\s\\S]*start=.run.nc"):
            nm.simulate(nm.load_circuit("mpl"), nm.load_protocol("lesion"))

    def test_a_kind_that_is_unknown(self, tmp_path):
        text = 'name = "x"\n[experiment]\nkind = "lession"\n'
        (tmp_path / "x.toml").write_text(text)
        with pytest.raises(nm.DescriptionError, match="experiment.kind[\\s\\S]*did you mean 'lesion'"):
            nm.load_protocol(tmp_path / "x.toml")
        (tmp_path / "x.toml").write_text('name = "x"\n[experiment]\n')
        with pytest.raises(nm.DescriptionError, match="experiment: has no kind"):
            nm.load_protocol(tmp_path / "x.toml")

    def test_an_experiment_does_not_learn(self):
        with pytest.raises(nm.DescriptionError, match="an experiment does not learn"):
            nm.load_protocol("toy-language", {"experiment": {"kind": "omission"}})

    def test_the_command_line_changes_single_entries(self, shown, monkeypatch):
        calls = []
        monkeypatch.setitem(vars(nm), "check", lambda *given, **begun: calls.append(given) or 1 / 0)
        settings = ["protocol.experiment.afterwards=follow", "protocol.inference.rate=0.05"]
        words = ["check", "oddball", "--from", str(shown("mpl").trained.source)]
        CliRunner().invoke(cli.app, words + [word for each in settings for word in ("--set", each)])
        ((_circuit, protocol),) = calls
        assert protocol.experiment.afterwards == "follow"
        assert protocol.experiment.trials == 200
        assert protocol.inference.rate == 0.05
        assert protocol.stimulus == shown("mpl").trained.protocol.stimulus
        result = CliRunner().invoke(cli.app, [*words, "--set", "protocol.experiment.afterward=follow"])
        assert result.exit_code == 2
        assert "did you mean 'afterwards'" in result.output
