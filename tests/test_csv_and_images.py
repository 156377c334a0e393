"""A CSV file with a column of time, and a folder of images, need no code."""

import gzip
import struct
import time
import zlib

import numpy as np
import pytest
from matplotlib.image import imsave

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.stimuli import csv_file, image_folder, labelled
from neuro_mpc.stimuli.csv_file import Columns
from neuro_mpc.stimuli.interface import SPLITS

ROWS = 100


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(source, **keys):
    protocol = nm.Protocol(
        name="own",
        stimulus={"source": source, **keys},
        target={"read": "every"},
        learning={"rate": 0.1, "batch": 4, "epochs": 1},
    )
    return stimuli.load(protocol, nm.load_circuit("mpl"), 0)


def table(**columns) -> dict[str, list]:
    """The columns of a recording: time, two sensors with a gap, and a class by name."""
    values = {
        "time": [0.1 * row for row in range(ROWS)],
        "left": [row / 2 for row in range(ROWS)],
        "right": ["" if row == 3 else -row for row in range(ROWS)],
        "state": ["run" if row % 20 < 10 else "rest" for row in range(ROWS)],
    }
    return {**values, **columns}


def write(path, columns, delimiter=","):
    rows = zip(*([name, *map(str, values)] for name, values in columns.items()))
    path.write_text("\n".join(delimiter.join(row) for row in rows) + "\n", encoding="utf-8")
    return path.name


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_units_of_a_channel_or_classes(here, delimiter):
    name = write(here / "recording.csv", table(), delimiter)
    source = loaded("csv", file=name, time="time", classes=["state"], window=10)
    values, state = source.channels["values"], source.channels["state"]
    assert (values.names, values.missing) == (("left", "right"), True)
    assert (state.names, state.width, state.missing) == (("rest", "run"), 2, False)
    shown = source.given("train", np.array([1, 0]), "values")
    np.testing.assert_array_equal(shown[:, 0, 0], np.arange(10, 20) / 2)
    np.testing.assert_array_equal(shown[2:5, 1, 1], [-2, np.nan, -4])
    np.testing.assert_array_equal(source.given("train", np.array([1, 0]), "state"), [[0, 1]] * 10)


def test_a_table_may_have_very_many_columns(here):
    """Names are looked up, not searched for: 30,000 columns of the other kind take half a minute."""
    columns = Columns(
        here / write(here / "wide.csv", {f"column of the cell {number}": [1] for number in range(30_000)})
    )
    begin = time.process_time()
    assert sum(columns.numbers(name, "channels")[0] for name in columns.names) == 30_000
    assert time.process_time() - begin < 3


def test_channels_name_their_columns_and_a_column_may_name_the_split(here):
    split = ["train"] * 60 + ["test"] * 40
    name = write(here / "recording.csv", table(split=split, code=[row % 3 - 1 for row in range(ROWS)]))
    (here / "recording.csv.gz").write_bytes(gzip.compress((here / name).read_bytes()))
    keys = {"channels": {"sensor": ["right"], "out": ["left"]}, "classes": ["code"], "window": 20, "stride": 1}
    source = loaded("csv", file="recording.csv.gz", **keys)
    assert {name: each.width for name, each in source.channels.items()} == {"sensor": 1, "out": 1, "code": 2}
    assert [source.size(split) for split in SPLITS] == [41, 0, 21]
    assert source.channels["code"].missing


@pytest.mark.parametrize(
    ("columns", "keys", "problem"),
    [
        ({}, {"time": "tiem"}, "stimulus.time: the file has no such column.*did you mean 'time'"),
        ({}, {"channels": {"x": ["lef"]}}, "stimulus.channels.x: the file has no such column.*did you mean 'left'"),
        ({}, {"classes": []}, r"row 2: state: is no number.*found: 'run'.*stimulus.classes"),
        (
            {"time": [0.1 * row for row in range(99)] + [99.0]},
            {"time": "time"},
            "row 101: time: is not evenly.*99 after",
        ),
        ({"time": [1, 0] * 50}, {"time": "time"}, "row 3: time: is not evenly.*0 after 1"),
        ({"time": [""] * 100}, {"time": "time"}, "time: is not evenly spaced"),
        ({"left": ["inf"] * 100}, {}, "values: has an infinite value"),
        ({"": [1] * 100}, {}, "row 1: has columns without a name"),
        ({"left": ["1,5"] * 100}, {}, "row 2: has another number of fields"),
        ({"state": [2**70] * 100}, {}, "state: has classes out of range"),
        ({}, {"window": 0}, "stimulus.window.*has no trials"),
    ],
)
def test_wrong_tables_are_refused_by_place(here, columns, keys, problem):
    name = write(here / "recording.csv", table(**columns))
    with pytest.raises(nm.DescriptionError, match=f"(?s){problem}"):
        loaded("csv", file=name, **{"window": 10, "classes": ["state"], **keys})


def test_an_empty_table_is_told_what_it_should_hold(here):
    (here / "recording.csv").write_text("\n")
    with pytest.raises(nm.DescriptionError, match="contains no text\n  expected: a line of the names of columns"):
        loaded("csv", file="recording.csv", window=10)


def images(folder, number=5, size=(4, 6), parts=("",), seed=0):
    """PNG files of two classes, grey ones and ones with colours; their pixels by name."""
    rng, pixels = np.random.default_rng(seed), {}
    for part in parts:
        for label in ("cat", "dog"):
            (folder / part / label).mkdir(parents=True)
            for index in range(number):
                path = folder / part / label / f"{index}.png"
                pixels[path.name, label] = rng.integers(256, size=(*size, 3), dtype=np.uint8)
                imsave(path, pixels[path.name, label])
    return pixels


@pytest.mark.parametrize("held", [2**28, 0])
def test_images_are_trials_and_their_folders_classes(here, monkeypatch, held):
    monkeypatch.setattr(labelled, "HELD_BYTES", held)
    pixels = images(here / "pets", parts=("train", "test"))
    source = loaded("image-folder", folder="pets", colour="rgb", pixels_per_step=6)
    assert source.channels["label"].names == ("cat", "dog")
    assert ([source.size(split) for split in SPLITS], source.steps) == ([10, 0, 10], 4)
    shown = source.given("test", np.array([7]), "image")
    np.testing.assert_allclose(shown[:, 0], pixels["2.png", "dog"].reshape(4, 18) / 255, atol=1e-6)
    assert source.given("test", np.array([7]), "label").tolist() == [[1]] * 4
    grey = loaded("image-folder", folder="pets")
    assert (grey.steps, grey.channels["image"].width) == (1, 24)
    expected = pixels["2.png", "dog"].reshape(-1, 3) @ [0.299, 0.587, 0.114] / 255
    np.testing.assert_allclose(grey.given("test", np.array([7]), "image")[0, 0], expected, atol=1e-6)


def test_images_without_folders_of_splits_are_parted_by_chance(here):
    images(here / "pets")
    source = loaded("image-folder", folder="pets", validation=0.2, test=0.3)
    assert [source.size(split) for split in SPLITS] == [5, 2, 3]


def other_size(folder):
    imsave(folder / "cat" / "9.png", np.zeros((3, 3, 3)))


def no_image(folder):
    (folder / "cat" / "9.png").write_bytes(b"GIF89a" + bytes(100))


def damaged(folder):
    path = folder / "cat" / "1.png"
    path.write_bytes(path.read_bytes()[:40])


def without_images(folder):
    for path in folder.rglob("*.png"):
        path.rename(path.with_suffix(".jpg"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (other_size, "9.png: has another size than other images.*3 × 3.*4 × 6"),
        (no_image, "9.png: is no PNG image"),
        (damaged, "1.png: cannot be read"),
        (without_images, "pets: has no images.*cat, dog.*a folder for each class"),
    ],
)
def test_wrong_images_are_refused_by_name(here, change, problem):
    images(here / "pets")
    change(here / "pets")
    with pytest.raises(nm.DescriptionError, match=f"(?s){problem}"):
        loaded("image-folder", folder="pets")


def test_classes_by_name_are_numbered_by_the_alphabet_and_an_empty_field_is_none(here):
    state = ["run", "", "rest", "NA", "a fast run", *["rest"] * (ROWS - 5)]
    write(here / "named.csv", table(state=state))
    source = loaded("csv", file="named.csv", time="time", classes=["state"], window=10)
    channel = source.channels["state"]
    assert (channel.names, channel.missing) == (("a_fast_run", "rest", "run"), True)
    assert source.given("train", np.array([0]), "state")[:6, 0].tolist() == [2, -1, 1, -1, 0, 1]
    write(here / "numbered.csv", table(state=["1", "null", "0", *["0"] * (ROWS - 3)]))
    source = loaded("csv", file="numbered.csv", time="time", classes=["state"], window=10)
    assert source.given("train", np.array([0]), "state")[:3, 0].tolist() == [1, -1, 0]


def test_a_name_with_a_blank_of_any_kind_is_the_name_of_one_class(here):
    names = ["a\u00a0b", "c\td", "e"]
    write(here / "blanks.csv", table(state=[names[row % 3] for row in range(ROWS)]))
    channel = loaded("csv", file="blanks.csv", time="time", classes=["state"], window=10).channels["state"]
    assert (channel.names, channel.width) == (("a_b", "c_d", "e"), 3)
    images(here / "blanks")
    (here / "blanks/cat").rename(here / "blanks/a\u3000b")
    label = loaded("image-folder", folder="blanks").channels["label"]
    assert (label.names, label.width) == (("a_b", "dog"), 2)


def test_an_image_is_as_large_as_it_says(here, monkeypatch):
    images(here / "pets")
    monkeypatch.setattr("matplotlib.image.imread", lambda path, format: np.zeros((4, 5)))
    with pytest.raises(nm.DescriptionError, match=r"(?s)0.png: has another size than it says.*\(4, 5, 1\)"):
        loaded("image-folder", folder="pets")


def write_png(path, pixels):
    """An image (row, column, value) of 1: grey, 2: grey and how opaque, 3: colours, or 4 values, as they are."""
    height, width, depth = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[depth]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.astype(np.uint8))
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        image_folder.PNG
        + b"".join(
            struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
            for name, part in parts
        )
    )


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_an_image_is_seen_as_far_as_it_is_opaque(here, depth, colour):
    rng, pixels = np.random.default_rng(0), {}
    for label in ("cat", "dog"):
        for number in range(5):
            pixels[label, number] = rng.integers(256, size=(2, 3, depth))
            write_png(here / "pets" / label / f"{number}.png", pixels[label, number])
    opaque = {key: each[..., -1:] / 255 if depth in (2, 4) else 1.0 for key, each in pixels.items()}
    values = {key: each[..., : 3 if depth > 2 else 1] / 255 * opaque[key] for key, each in pixels.items()}
    expected = {
        key: np.broadcast_to(each, (2, 3, 3)).reshape(2, 9)
        if colour == "rgb"
        else (each @ [0.299, 0.587, 0.114] if depth > 2 else each[..., 0])
        for key, each in values.items()
    }
    source = loaded("image-folder", folder="pets", colour=colour, pixels_per_step=3, validation=0, test=0.2)
    seen = [source.given(split, np.arange(source.size(split)), "image") for split in ("train", "test")]
    shown = np.concatenate(seen, axis=1).swapaxes(0, 1)
    for image in expected.values():
        assert np.isclose(shown, image, atol=1e-6).all(axis=(1, 2)).sum() == 1


def test_folders_of_images_are_read_within_their_limits(here, monkeypatch):
    images(here / "pets")
    (here / "pets" / ".thumbnails").mkdir()
    (here / "pets" / "cat" / "._0.png").write_bytes(b"no image")
    (here / "pets" / "cat" / "notes.txt").write_text("no image")
    (here / "pets" / "dog" / "0.png").rename(here / "pets" / "dog" / "0.PNG")

    def read(**keys):
        source = loaded("image-folder", folder="pets/", **keys)
        assert source.channels["label"].names == ("cat", "dog")
        return sum(source.size(split) for split in SPLITS)

    for name, most, told in (
        ("MOST_IMAGES", 10, "has too many images(.|\n)*10 in cat, dog"),
        ("MOST_PIXELS", 24, "has too many pixels(.|\n)*4 × 6(.|\n)*up to 23"),
    ):
        with monkeypatch.context() as within:
            within.setattr(image_folder, name, most)
            assert read() == 10
            within.setattr(image_folder, name, most - 1)
            with pytest.raises(nm.DescriptionError, match=told):
                read()
    for pixels in (0, 24, 8, 1):
        assert read(pixels_per_step=pixels) == 10
    with pytest.raises(
        nm.DescriptionError, match="does not divide the 4 × 6 pixels(.|\n)*found: 48(.|\n)*divisor of 24"
    ):
        read(pixels_per_step=48)


def test_images_take_memory_up_to_the_limit_of_what_is_held(monkeypatch):
    monkeypatch.setattr(labelled, "HELD_BYTES", 4 * 24)
    assert not isinstance(image_folder._room((2, 3, 4)), np.memmap)
    large = image_folder._room((5, 5, 1))
    assert (isinstance(large, np.memmap), large.shape, large.dtype) == (True, (5, 5, 1), np.float32)


@pytest.mark.parametrize(("gap", "even"), [(0.149, True), (0.151, False), (0.001, True), (0.0, False)])
def test_times_may_be_a_half_of_a_step_late_and_never_the_same_twice(here, gap, even):
    times = np.r_[0.1 * np.arange(50), 4.9 + gap + 0.1 * np.arange(50)]
    name = write(here / "recording.csv", table(time=times.tolist()))
    if even:
        assert loaded("csv", file=name, time="time", classes=["state"], window=10).size("train") == 7
        return
    with pytest.raises(nm.DescriptionError, match="row 52: time: is not evenly spaced") as caught:
        loaded("csv", file=name, time="time", classes=["state"], window=10)
    assert (caught.value.found, caught.value.expected) == (f"{4.9 + gap:g} after 4.9", "times that rise by 0.1")


def test_a_sample_that_is_late_by_half_a_step_to_the_digit_is_late():
    """One and a half usual distances are refused, as what is missing makes two."""
    csv_file._refuse_uneven(np.array([0.0, 2.0, 4.0, 6.75]), "r.csv", "time")
    with pytest.raises(nm.DescriptionError, match="7 after 4"):
        csv_file._refuse_uneven(np.array([0.0, 2.0, 4.0, 7.0]), "r.csv", "time")


def test_a_recording_of_one_sample_has_no_distances(here):
    name = write(here / "short.csv", {"time": [3.0], "x": [1.0]})
    with pytest.raises(nm.DescriptionError, match="'test' has no trials"):
        loaded("csv", file=name, time="time", window=1)
    csv_file._refuse_uneven(np.array([3.0]), "short.csv", "time")


@pytest.mark.parametrize("more", [0, 1])
def test_twenty_columns_are_listed(here, more):
    name = write(here / "wide.csv", {f"c{number}": [1, 2] for number in range(20 + more)})
    with pytest.raises(nm.DescriptionError, match="the file has no such column") as caught:
        loaded("csv", file=name, channels={"x": ["other"]}, window=1)
    assert caught.value.expected == ", ".join(f"c{number}" for number in range(20)) + " …" * more
