"""What is just within the limits of a source is accepted, and the next is refused."""

import numpy as np
import pytest
import xarray as xr
from own_data import loaded

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.descriptions import sources
from neuro_mpc.stimuli import contents, signature, toy_language
from neuro_mpc.stimuli.contents import Contents

SMALL = {"population.hidden.size": 3}


def source(protocol, **settings):
    described = nm.load_protocol(protocol, {f"stimulus.{key}": value for key, value in settings.items()})
    assert isinstance(described, nm.Protocol)
    return stimuli.load(described, nm.load_circuit("mpl", SMALL), 0)


@pytest.mark.parametrize(
    ("protocol", "within", "beyond", "message"),
    [
        # 8 · 2^2 strings of three letters; three free units
        ("toy-language", {"load": 32 / 3}, {"load": 33 / 3}, "1 to 32 strings"),
        ("toy-language", {"load": 0.6 / 3}, {"load": 0.4 / 3}, "1 to 32 strings"),
        (
            "mismatch",
            {"controls": ["repetition"], "steps": 28},
            {"controls": ["repetition"], "steps": 27},
            "(?s)train .*from 28",
        ),
        (
            "mismatch",
            {"controls": ["control-3"], "steps": 12},
            {"controls": ["control-3"], "steps": 11},
            "(?s)delay.*from 12",
        ),
    ],
)
def test_a_source_takes_what_is_within_its_limits(protocol, within, beyond, message):
    usual = {"letters": 8, "length": 3} if protocol == "toy-language" else {"contexts": [], "scale": 0.1}
    assert source(protocol, **usual, **within).size("train") > 0
    with pytest.raises(nm.DescriptionError, match=message):
        source(protocol, **usual, **beyond)


@pytest.mark.parametrize(
    ("protocol", "most", "settings", "beyond"),
    [
        ("adding", 2 * 5 * 6, {"steps": 5, "trials": 3, "validation": 1, "test": 2}, "steps"),
        ("copying", 4 * 6, {"length": 4, "trials": 3, "validation": 1, "test": 2}, "length"),
        ("decision", 6 * 2 * 7, {"stimulus": 2, "ring": 7, "trials": 3, "validation": 1, "test": 2}, "ring"),
    ],
)
def test_what_is_drawn_is_counted_as_it_is_held(protocol, most, settings, beyond, monkeypatch):
    monkeypatch.setattr(sources, "MOST_NUMBERS", most)
    source(protocol, **settings)
    for key in (beyond, "trials", "validation", "test"):
        with pytest.raises(nm.DescriptionError, match="more than memory should hold"):
            source(protocol, **{**settings, key: settings[key] + 1})


def test_a_language_has_fewer_strings_than_can_be_counted(monkeypatch):
    monkeypatch.setattr(toy_language, "MOST_STRINGS", 8 * 2**3 + 1)
    assert source("toy-language", letters=8, length=4, load=1.0).size("train") == 3
    monkeypatch.setattr(toy_language, "MOST_STRINGS", 8 * 2**3)
    with pytest.raises(nm.DescriptionError, match="shorter length"):
        source("toy-language", letters=8, length=4, load=1.0)


def recording(steps):
    return xr.Dataset({"x": (("step", "unit"), np.arange(2.0 * steps).reshape(steps, 2))})


@pytest.mark.parametrize(
    ("keys", "beyond", "message"),
    [
        ({"validation": 0.45, "test": 0.5}, {"validation": 0.5}, "nothing to learn from"),
        ({"window": 10, "validation": 0, "test": 0.5}, {"window": 21}, "up to 20 steps"),
        ({"window": 10, "validation": 0, "test": 0.5}, {"window": 11}, "11 steps or more"),
    ],
)
def test_own_data_are_parted_and_cut_as_long_as_something_is_left(keys, beyond, message):
    keys = {"window": 1, "stride": 1, **keys}
    assert loaded(recording(20), **keys).size("train")
    with pytest.raises(nm.DescriptionError, match=message):
        loaded(recording(20), **{**keys, **beyond})


def test_streams_take_the_only_recording():
    one, two = (recording(100).expand_dims(trial=number) for number in (1, 2))
    assert loaded(one, window=5, streams=True, batch=2).size("train") == 14
    with pytest.raises(nm.DescriptionError, match="2 along 'trial'"):
        loaded(two, window=5, streams=True, batch=2)


@pytest.mark.parametrize(("names", "most"), [((), 7), (("a", "b", "c"), 2)])
def test_classes_are_as_many_as_a_population_may_have_units_or_as_have_names(names, most, monkeypatch):
    monkeypatch.setattr(contents, "LARGEST", 8)

    def channel(*blocks):
        examined = Contents(True, 1, names, {"source": "data", "key": "label"})
        for block in blocks:
            examined.add(np.array(block))
        return examined.channel()

    whole = channel([-1, 0], range(most + 1))
    assert (whole.width, whole.missing, whole.names) == (most + 1, True, names)
    assert not channel(range(most + 1), [0]).missing
    for block, found in (([0, most + 1], most + 1), ([-2, 0], -2)):
        with pytest.raises(nm.DescriptionError, match="out of range") as error:
            channel(block)
        assert error.value.found == found


def test_values_may_be_absent_but_for_some():
    def channel(*blocks):
        examined = Contents(False, 3, (), {"source": "data", "key": "x"})
        for block in blocks:
            examined.add(np.array(block))
        return examined.channel()

    assert channel([1.0, np.nan], [2.0]).missing
    assert channel([np.nan], [1.0]).missing
    assert not channel([1.0], [2.0]).missing
    with pytest.raises(nm.DescriptionError, match="no values"):
        channel([np.nan], [np.nan])
    with pytest.raises(nm.DescriptionError, match="infinite"):
        channel([1.0, -np.inf])


def test_a_folder_of_data_has_as_many_folders_as_the_limit(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    monkeypatch.setattr(signature, "MOST_FOLDERS", 2)
    signature.Signature(tmp_path).refuse_change()
    (tmp_path / "another").mkdir()
    with pytest.raises(nm.DescriptionError, match="too many folders"):
        signature.Signature(tmp_path)


@pytest.mark.parametrize("given", [np.array([[2, 0], [1, 3]]), np.ones((2, 2, 3), np.float32)])
def test_nothing_follows_what_a_source_does_not_know(given):
    class Known(stimuli.Stimuli):
        def __init__(self):
            pass

        def size(self, split):
            return 2

        def given(self, split, trials, channel):
            return given

    after = Known().following("train", np.arange(2), "x")
    assert after.shape == (1, *given.shape[1:])
    assert after.dtype == given.dtype
    np.testing.assert_array_equal(after, -1 if given.dtype.kind == "i" else np.nan)


FILES = {
    "arrays": ("file",),
    "csv": ("file",),
    "idx": ("train_images", "train_labels", "test_images", "test_labels"),
    "image-folder": ("folder",),
    "text": ("train", "validation", "test"),
}


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in FILES.items() for key in keys])
@pytest.mark.parametrize("path", ["../data.nc", "data/../../data.nc", "data\0.nc"])
def test_no_name_of_a_file_leads_out_of_its_folder(name, key, path):
    def described(given):
        needed = {"train": "text.txt"} if name == "text" else {}
        return nm.Protocol(
            name="own",
            stimulus={"source": name, **needed, **({"checksums": {}} if name in ("idx", "text") else {}), key: given},
            target={"read": "every"},
            learning={"rate": 0.1, "batch": 4, "epochs": 1},
        )

    assert getattr(described("data.nc").stimulus, key) == "data.nc"
    with pytest.raises(nm.DescriptionError, match="is not the name of a file"):
        described(path)


@pytest.mark.parametrize(("name", "files"), [("idx", {}), ("text", {"train": "text.txt"})])
def test_a_checksum_is_that_of_a_file_that_is_read(name, files):
    with pytest.raises(nm.DescriptionError, match="a checksum for 'other.txt', which is not used"):
        nm.Protocol(
            name="own",
            stimulus={"source": name, **files, "checksums": {"other.txt": "0" * 64}},
            target={"read": "every"},
            learning={"rate": 0.1, "batch": 4, "epochs": 1},
        )
