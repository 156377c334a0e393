"""What is just within the limits of a source is accepted, and the next is refused."""

import numpy as np
import pytest
import xarray as xr
from own_data import loaded

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.descriptions import sources
from neuro_mpc.stimuli import axes, contents, interface, labelled, series, signature, splits, toy_language
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


def test_as_many_strings_are_learned_and_held_out_as_the_limits(monkeypatch):
    monkeypatch.setattr(toy_language, "MOST_LEARNED", 12)
    monkeypatch.setattr(toy_language, "MOST_HELD_OUT", 7)
    language = source("toy-language", letters=8, length=4, load=4.0)
    assert [language.size(split) for split in stimuli.SPLITS] == [12, 7, 7]
    with pytest.raises(nm.DescriptionError, match="13 strings(.|\n)*1 to 12 strings: a load of 0.333333 to 4$"):
        source("toy-language", letters=8, length=4, load=13 / 3)
    monkeypatch.setattr(toy_language, "MOST_HELD_OUT", 100)
    language = source("toy-language", letters=8, length=4, load=3.0)  # 9 of 64 strings
    assert [language.size(split) for split in stimuli.SPLITS] == [9, 27, 27]


@pytest.mark.parametrize(("letters", "last"), [(26, "z"), (27, "26")])
def test_letters_have_names_as_long_as_the_alphabet_has_some(letters, last):
    language = source("toy-language", letters=letters)
    assert (len(language.symbols), language.symbols[-1], language.counted) == (letters, last, "allowed answers")
    assert source("digits-rows").counted == "right answers"


@pytest.mark.parametrize(
    ("protocol", "settings", "message"),
    [
        ("toy-language", {"letters": 6, "transitions": [1, 7]}, "not different steps on the ring"),
        ("toy-language", {"transitions": []}, "not different steps on the ring"),
        ("digits-rows", {"pixels_per_step": 7}, "does not divide the 64 pixels"),
        ("decision", {"coherences": []}, "is empty or has an entry twice"),
    ],
)
def test_what_makes_no_trials_is_refused(protocol, settings, message):
    with pytest.raises(nm.DescriptionError, match=message):
        source(protocol, **settings)


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


def test_what_is_held_in_memory_are_the_smallest_channels_up_to_the_limit(monkeypatch):
    sizes = {"c": 2, "a": 5, "b": 3}
    data = xr.Dataset({name: ((f"unit of {name}", "trial"), np.ones((size, 10))) for name, size in sizes.items()})
    for most, held in ((4 * 50 - 1, {"c"}), (4 * 50, {"b", "c"}), (4 * 100, {"a", "b", "c"}), (4 * 20 - 1, set())):
        monkeypatch.setattr(labelled, "HELD_BYTES", most)
        found = loaded(data)
        assert {name for name, each in found._series.items() if each._held is not None} == held
        assert found.given("train", np.arange(2), "a").shape == (1, 2, 5)


@pytest.mark.parametrize(
    ("shape", "most", "parts"),
    [
        ((5, 4, 3), 24, [((0, 2), (0, 4)), ((2, 4), (0, 4)), ((4, 6), (0, 4))]),  # two trials of 12 numbers
        ((5, 4, 3), 23, [((trial, trial + 1), (0, 4)) for trial in range(5)]),
        ((2, 4, 3), 12, [((trial, trial + 1), (0, 4)) for trial in range(2)]),
        ((2, 4, 3), 11, [((trial, trial + 1), (step, step + 3)) for trial in range(2) for step in (0, 3)]),
        ((1, 3, 5), 4, [((0, 1), (step, step + 1)) for step in range(3)]),  # a step is never parted
    ],
)
def test_data_are_read_in_parts_of_as_many_numbers_as_the_limit(shape, most, parts, monkeypatch):
    monkeypatch.setattr(series, "BLOCK", most)
    along = axes.Axes("trial", "step", *shape[:2])
    read = series.Series("x", xr.Variable(("trial", "step", "unit"), np.ones(shape)), along, "data")
    assert [tuple((each.start, each.stop) for each in part) for part in read._blocks()] == parts


def test_a_channel_has_as_many_units_as_a_population_may_have(monkeypatch):
    data = xr.Dataset({"x": (("trial", "row", "column"), np.ones((10, 2, 3)))})
    monkeypatch.setattr(series, "LARGEST", 6)
    assert loaded(data).channels["x"].width == 6
    monkeypatch.setattr(series, "LARGEST", 5)
    with pytest.raises(nm.DescriptionError, match="(?s)x: has too many units.*found: 6.*up to 5"):
        loaded(data)
    with pytest.raises(nm.DescriptionError, match="x: is empty"):
        loaded(data.isel(row=slice(0)))
    with pytest.raises(nm.DescriptionError, match="no variable that could be a channel"):
        loaded(data.drop_vars("x").assign(split=("trial", ["train"] * 10)))


def test_splits_have_as_many_names_as_the_limit():
    def named(number):
        meanings = " ".join([*stimuli.SPLITS, *(f"other{index}" for index in range(number - 3))])
        return splits.named(np.array([2, 0, 1]), {"flag_meanings": meanings}, {"source": "data", "key": "split"})

    assert named(splits.MOST_NAMES).tolist() == [2, 0, 1]
    with pytest.raises(nm.DescriptionError, match="different lengths"):
        named(splits.MOST_NAMES + 1)


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
        examined = Contents(False, 1, (), {"source": "data", "key": "x"})
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


class Bare(stimuli.Stimuli):
    """A source that shows the number of the trial and no more."""

    width, classes, steps, symbols = 1, 1000, 1, ()

    def __init__(self):
        pass

    def size(self, split):
        return 600

    def stimulus(self, split, trials):
        return np.asarray(trials, np.float32)[None, :, None]

    def labels(self, split, trials):
        return np.asarray(trials)[None]


def test_data_that_are_not_stored_are_told_apart_by_batches_of_256_trials():
    """Other parts would be another digest, and no run of an earlier version would go on."""
    parts = list(Bare().content("train"))
    assert [part.shape for part in parts[::2]] == [(1, 256, 1), (1, 256, 1), (1, 88, 1)]
    np.testing.assert_array_equal(np.concatenate(parts[::2], axis=1)[0, :, 0], np.arange(600))
    np.testing.assert_array_equal(np.concatenate(parts[1::2], axis=1)[0].argmax(axis=1), np.arange(600))


def test_a_source_promises_what_it_says_and_a_new_one_nothing():
    bare = Bare()
    assert (bare.generates, bare.takes_data, bare.predicts_next, bare.symbolic, bare.carries, bare.gives_next) == (
        (False,) * 6
    )
    assert (bare.transitions, bare.cautions, bare.streams, bare.missing, bare.chance) == ((), (), 0, True, 1 / 1000)
    assert (bare.counted, bare.presentations("train")) == ("right answers", None)
    promises = {
        name: [each for each in ("generates", "takes_data") if getattr(sources.SOURCES.get(name), each)]
        for name in ("arrays", "csv", "digits", "text", "toy-language")
    }
    assert promises == {"arrays": ["takes_data"], "csv": [], "digits": [], "text": [], "toy-language": ["generates"]}
    shown, asked = bare.channels.values()
    assert (shown.kind, shown.width, shown.symbolic, shown.missing, shown.roles) == (
        ("values", 1, False, False, ("stimulus",))
    )
    assert (asked.kind, asked.width, asked.symbolic, asked.missing, asked.roles) == (
        ("classes", 1000, False, True, ("target",))
    )
    assert (bare.parted(None, " ab\n"), bare.joined(None, "a", ["b", "<eos>"])) == (["a", "b"], "ab\n")


@pytest.mark.parametrize("name", ["__init__", "stimulus", "labels", "strings", "shown"])
def test_what_a_source_does_not_offer_it_says(name):
    arguments = {"__init__": (None, None, 0), "strings": ("train",), "shown": (np.zeros((1, 2), int),)}
    with pytest.raises(NotImplementedError, match=None if name == "__init__" else "Bare has no"):
        getattr(interface.Stimuli, name)(Bare(), *arguments.get(name, ("train", np.arange(1))))


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
