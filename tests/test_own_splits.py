"""How data of users become trials: recordings that are cut, and splits by steps, trials, groups or chance."""

import numpy as np
import pytest
import xarray as xr
from own_data import TRIALS, assert_equal, dataset, loaded

import neuro_mpc as nm
from neuro_mpc.stimuli.interface import SPLITS

pytestmark = pytest.mark.usefixtures("data_folder")


def test_recordings_are_cut_into_windows_or_streams_in_the_order_of_time():
    recording = {"lfp": np.arange(200.0)[:, None], "state": np.arange(200) // 50}
    windows = loaded(recording, window=10, stride=5, validation=0.1, test=0.2)
    first = windows.given("train", np.arange(windows.size("train")), "lfp")[0, :, 0]
    np.testing.assert_array_equal(first, np.arange(0, 131, 5))
    assert windows.given("validation", np.array([0]), "lfp")[0, 0, 0] == 140
    np.testing.assert_array_equal(windows.given("test", np.array([3]), "lfp")[:, 0, 0], np.arange(175, 185))
    assert windows.given("test", np.array([-1]), "lfp").max() == 199
    streams = loaded(recording, window=10, streams=True, batch=2, validation=0.1)
    assert (streams.streams, streams.carries, streams.size("train")) == (2, True, 14)
    np.testing.assert_array_equal(streams.given("train", np.array([0, 1, 2]), "lfp")[0, :, 0], [0, 70, 10])
    assert not loaded(recording, window=10, streams=True, batch=2, carry=False).carries


def test_the_step_after_a_window_is_known_within_its_split():
    recording = {"lfp": np.arange(200.0)[:, None], "state": np.arange(200) // 50}
    source = loaded(recording, window=10, validation=0.1, test=0.2)
    last = source.size("train") - 1
    np.testing.assert_array_equal(source.following("train", np.array([0, last]), "lfp"), [[[10], [np.nan]]])
    assert source.following("test", np.array([0, 3]), "state").tolist() == [[3, -1]]
    assert (loaded(dataset()).following("train", np.arange(3), "label") == -1).all()


def test_steps_of_a_recording_are_split_by_a_variable_and_windows_stay_within():
    split = np.array(["train"] * 37 + ["test"] * 20 + ["train"] * 43)
    data = xr.Dataset({"x": (("time", "unit"), np.arange(200.0).reshape(100, 2)), "split": ("time", split)})
    source = loaded(data, window=10)
    starts = source.given("train", np.arange(source.size("train")), "x")[0, :, 0] / 2
    np.testing.assert_array_equal(starts, [0, 10, 20, 57, 67, 77, 87])


def test_steps_of_several_recordings_are_split_by_a_variable():
    split = np.full((3, 40), "train")
    split[:, 30:], split[1, :7] = "test", "test"
    data = xr.Dataset({"x": (("trial", "time"), np.arange(120.0).reshape(3, 40)), "split": (("trial", "time"), split)})
    source = loaded(data, window=5)
    assert {name: source.size(name) for name in SPLITS} == {"train": 6 + 4 + 6, "validation": 0, "test": 2 + 3 + 2}
    first = source.given("test", np.arange(7), "x")[0, :, 0]
    assert sorted(first) == [30, 35, 40, 70, 75, 110, 115]
    with pytest.raises(nm.DescriptionError, match=r"(?s)split: has other dimensions.*expected: \('trial',\)"):
        loaded(data)
    data["subject"] = "trial", ["a", "b", "a"]
    with pytest.raises(nm.DescriptionError, match="split: puts subject 'a' into several splits"):
        loaded(data, window=5, group="subject")


def test_splits_by_chance_are_those_of_the_seed():
    data = dataset().drop_vars("split")
    sizes = [loaded(data, validation=0.2, test=0.3).size(split) for split in SPLITS]
    assert sizes == [15, 6, 9]
    assert_equal(loaded(data, seed=3), loaded(data, seed=3))
    one, other = (next(loaded(data, seed=seed).content("test")) for seed in (3, 4))
    assert one.tolist() != other.tolist()


def test_trials_of_one_group_are_held_out_together():
    subject = np.repeat(["ann", "bob", "cem", "dan", "eve", "fay"], 5)
    data = dataset(subject=("trial", subject), x=dataset()["x"].assign_coords(trial=range(TRIALS))).drop_vars("split")
    source = loaded(data, group="subject", validation=0.17, test=0.33)
    assert "subject" not in source.channels
    subjects = [set(subject[next(source.content(split))[:, 0]]) for split in SPLITS]
    assert [len(found) for found in subjects] == [3, 1, 2]
    assert len(set.union(*subjects)) == 6
    with pytest.raises(nm.DescriptionError, match="(?s)stimulus.group.*did you mean 'subject'"):
        loaded(data, group="subjet")
    with pytest.raises(nm.DescriptionError, match=r"(?s)symbol: has other dim.*\('trial',\)"):
        loaded(data.drop_vars("subject"), group="symbol")


def test_sessions_of_a_recording_are_held_out_whole_and_no_window_crosses_them():
    """Sessions of different length, one after the other along the steps."""
    session = np.repeat(["a", "b", "c", "d"], [23, 17, 31, 29])
    variables = {"x": ("time", np.arange(100.0)), "symbol": ("time", np.arange(100) % 3)}
    data = xr.Dataset({**variables, "session": ("time", session)})
    settings = {"window": 10, "stride": 3, "group": "session", "validation": 0.25, "test": 0.25}
    source = loaded(data, **settings)
    held = []
    for split in SPLITS:
        shown = session[source.given(split, np.arange(source.size(split)), "x")[..., 0].astype(int)]  # (step, trial)
        assert (shown == shown[:1]).all()
        assert len(shown) == 10
        held.append(set(shown[0]))
    assert [len(each) for each in held] == [2, 1, 1]
    assert set.union(*held) == set("abcd")

    data["split"] = ("time", np.repeat(["train", "validation", "test"], [40, 31, 29]))
    assert loaded(data, window=10, group="session").size("train") == 3  # two windows of a, one of b
    data["split"][10:23] = "test"
    with pytest.raises(nm.DescriptionError, match=r"(?s)split: puts session 'a' into several.*found: 'train, test'"):
        loaded(data, window=10, group="session")


def test_state_that_is_carried_from_session_to_session_is_told():
    variables = {"x": ("time", np.arange(120.0)), "symbol": ("time", np.arange(120) % 3)}
    data = xr.Dataset({**variables, "session": ("time", np.repeat([0, 1, 2, 3], 30))})
    settings = {"window": 5, "group": "session", "validation": 0.25, "test": 0.25}
    (told,) = loaded(data, batch=2, streams=True, **settings).cautions
    assert "'train' consist of 2 stretches" in told
    assert not loaded(data, batch=2, streams=True, carry=False, **settings).cautions
    assert not loaded(data, **settings).cautions
    assert not loaded(data.drop_vars("session"), batch=2, window=5, streams=True).cautions


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"validation": 0.1}, r"'validation' has.*3 values of 'session'.*validation = 0\.34"),
        ({"validation": 0.34, "test": 0.1}, r"'test' has.*stimulus\.test = 0\.34"),
        ({"validation": 0.5, "test": 0.49}, r"'train' has.*smaller ones"),
    ],
)
def test_shares_of_too_few_sessions_are_told_with_one_that_holds_out_a_session(shares, told):
    variables = {"x": ("time", np.arange(90.0)), "symbol": ("time", np.arange(90) % 3)}
    data = xr.Dataset({**variables, "session": ("time", np.repeat([0, 1, 2], 30))})
    with pytest.raises(nm.DescriptionError, match=f"(?s){told}"):
        loaded(data, window=10, group="session", **shares)
    loaded(data, window=10, group="session", validation=0.34, test=0.34)


def test_arrays_whose_trials_have_other_splits_are_told():
    data, (one, other) = dataset(), ("train validation test".split(), "test train validation".split())
    x, label = (data[name].drop_vars("split", errors="ignore") for name in ("x", "label"))
    thirds = [("trial", np.resize(names, TRIALS)) for names in (one, other)]
    assert loaded({"x": x.assign_coords(split=thirds[0]), "label": label}).size("test") == TRIALS // 3
    with pytest.raises(nm.DescriptionError, match="label: has other values of the coordinate 'split' than 'x'"):
        loaded({"x": x.assign_coords(split=thirds[0]), "label": label.assign_coords(split=thirds[1])})
