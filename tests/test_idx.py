"""IDX files: round trip, splits, and every kind of damage refused with the name of the file."""

import gzip
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_mpc.descriptions.loading import load_circuit, load_protocol
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli import files, idx, load, mnist_download
from neuro_mpc.stimuli.idx import read_idx
from neuro_mpc.stimuli.mnist_download import SHA256, download

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def encoded(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return {
        NAMES[0]: rng.integers(0, 256, (12, 4, 6)),
        NAMES[1]: rng.integers(0, 10, 12),
        NAMES[2]: rng.integers(0, 256, (5, 4, 6)),
        NAMES[3]: rng.integers(0, 10, 5),
    }


@pytest.fixture
def folder(tmp_path, data):
    for k, (name, array) in enumerate(data.items()):
        content = encoded(array)
        path = tmp_path / (f"{name}.gz" if k % 2 else name)
        path.write_bytes(gzip.compress(content) if k % 2 else content)
    return tmp_path


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    monkeypatch.delenv("NEURO_MPC_DATA", raising=False)
    monkeypatch.setattr(idx, "download", lambda names: {})
    monkeypatch.setattr(files, "downloads", lambda folder: tmp_path / "cache")


def stimuli(folder=None, **settings):
    overrides = {"stimulus.pixels_per_step": 6, "stimulus.validation": 3, "stimulus.checksums": {}}
    overrides |= {f"stimulus.{key}": value for key, value in settings.items()}
    if folder is not None:
        overrides["data_dir"] = str(folder)
    return load(load_protocol("mnist-rows", overrides), load_circuit("mpl"), 0)


def refused(folder, **settings):
    with pytest.raises(DescriptionError) as caught:
        stimuli(folder, **settings)
    return str(caught.value)


def test_images_are_read_row_by_row(folder, data):
    found = stimuli(folder)
    assert [found.size(split) for split in ("train", "validation", "test")] == [9, 3, 5]
    assert (found.width, found.steps, found.classes, found.read) == (6, 4, 10, "last")
    stimulus, target = found.batch("test", np.array([4, 1]))
    assert stimulus.shape == (4, 2, 6)
    assert stimulus.dtype == np.float32
    np.testing.assert_allclose(stimulus[:, 0], data[NAMES[2]][4] / 255, atol=1e-7)
    np.testing.assert_array_equal(target.argmax(axis=2)[0], data[NAMES[3]][[4, 1]])


def test_validation_is_the_end_of_the_training_files(folder, data):
    found = stimuli(folder)
    np.testing.assert_array_equal(found.labels("validation", np.arange(3))[0], data[NAMES[1]][9:])
    np.testing.assert_array_equal(found.labels("train", np.arange(9))[0], data[NAMES[1]][:9])
    assert stimuli(folder, validation=0).size("train") == 12


def test_a_subset_is_the_beginning(folder, data):
    found = stimuli(folder, subset=2)
    assert [found.size(split) for split in ("train", "validation", "test")] == [2, 3, 5]
    np.testing.assert_array_equal(found.labels("validation", np.arange(3))[0], data[NAMES[1]][9:])


def test_a_permutation_is_the_same_for_all_images(folder):
    plain, permuted = stimuli(folder, pixels_per_step=1), stimuli(folder, pixels_per_step=1, permute=True)
    order = np.random.RandomState(0).permutation(24)
    for split in ("train", "test"):
        trials = np.arange(3)
        np.testing.assert_array_equal(plain.stimulus(split, trials)[order], permuted.stimulus(split, trials))


@pytest.mark.parametrize("place", ["", "mnist"])
def test_the_environment_names_the_folder(folder, monkeypatch, place):
    (folder / place).mkdir(exist_ok=True)
    for path in list(folder.glob("*-ubyte*")):
        path.rename(folder / place / path.name)
    monkeypatch.setenv("NEURO_MPC_DATA", str(folder))
    assert stimuli().size("test") == 5


def sums(data):
    return {name: hashlib.sha256(encoded(array)).hexdigest() for name, array in data.items()}


def test_downloaded_files_fill_the_gap(folder, data, monkeypatch):
    monkeypatch.setattr(idx, "download", lambda names: {name: next(folder.glob(f"{name}*")) for name in names})
    assert stimuli(checksums=sums(data)).size("test") == 5


def test_data_of_ones_own_are_not_looked_for_on_the_network(monkeypatch):
    monkeypatch.setattr(idx, "download", None)
    with pytest.raises(DescriptionError, match="data files are missing:") as caught:
        stimuli()
    assert '; for files of your own add nm.load_protocol(…, {"stimulus.train_images": "FILE"})' in str(caught.value)


def test_checksums_are_those_of_the_uncompressed_files(folder, data):
    sums = {name: hashlib.sha256(encoded(array)).hexdigest() for name, array in data.items()}
    assert stimuli(folder, checksums=sums).size("test") == 5
    text = refused(folder, checksums={**sums, NAMES[1]: "0" * 64})
    assert NAMES[1] in text
    assert "another sha256" in text
    assert '"stimulus.checksums": {}' in text


def test_missing_files_are_listed_with_where_to_put_them(tmp_path):
    text = refused(None, checksums={NAMES[0]: "abc"})
    assert all(name in text for name in NAMES)
    assert "sha256 of the uncompressed file abc" in text
    assert str(tmp_path / "cache") in text
    assert "NEURO_MPC_DATA" in text
    assert str(tmp_path / "elsewhere") in refused(tmp_path / "elsewhere")


def damaged(folder, name, change):
    path = next(folder.glob(f"{name}*"))
    content = path.read_bytes()
    path.unlink()
    (folder / name).write_bytes(change(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content))


DAMAGE = [
    (lambda content: b"", "an empty file"),
    (lambda content: content[:3], "not an IDX file"),
    (lambda content: b"PK\x03\x04" + content, "not an IDX file"),
    (lambda content: content[:2] + b"\x0a" + content[3:], "not an IDX file"),
    (lambda content: b"<!DOCTYPE html><html>", "a web page, not an IDX file"),
    (lambda content: content[:3] + b"\x05" + content[4:], "not an IDX file"),
    (lambda content: content[:3] + b"\x00" + content[4:], "not an IDX file"),
    (lambda content: content[:6], "an IDX header with the sizes"),
    (lambda content: content[:4] + b"\0" * 4 + content[8:], "an IDX header with the sizes"),
    (lambda content: content[:4] + b"\xff" * 4 + content[8:], "sizes"),
    (lambda content: content[:-1], "truncated"),
    (lambda content: content + b"\0", "longer than its header says"),
    (lambda content: gzip.compress(content)[:-9], "cannot be read"),
    (lambda content: gzip.compress(content)[:10] + b"\xff" * 20, "cannot be read"),
    (lambda content: gzip.compress(content)[:-8] + b"\0" * 8, "cannot be read"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("change", "problem"), DAMAGE)
def test_damage_is_refused_with_the_name_of_the_file(folder, name, change, problem):
    damaged(folder, name, change)
    text = refused(folder)
    assert str(folder / name) in text
    assert problem in text or (problem == "sizes" and "truncated" in text)


@pytest.mark.parametrize(
    ("name", "array", "problem"),
    [
        (NAMES[1], np.zeros(11), "11 labels for the 12 images"),
        (NAMES[3], np.zeros(6), "6 labels for the 5 images"),
        (NAMES[1], np.full(12, 10), "label 10 of trial 0 is out of range"),
        (NAMES[3], np.array([0, 0, 0, 255, 0]), "label 255 of trial 3 is out of range"),
        (NAMES[0], np.zeros(12), "these are not images"),
        (NAMES[1], np.zeros((12, 2)), "these are not labels"),
        (NAMES[2], np.zeros((5, 4, 5)), "images of 20 pixels"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(folder, name, array, problem):
    damaged(folder, name, lambda content: encoded(array))
    text = refused(folder)
    assert problem in text
    assert name in text


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        (NAMES[1], (12, 8), "labels with columns, as in QMNIST, whose first one is the class"),
        (NAMES[0], (12, 24), "images whose pixels stand in a row"),
        (NAMES[0], (12, 4, 6, 3), "images in colour"),
    ],
)
def test_arrays_of_other_sets_are_told_by_their_shape(folder, name, shape, told):
    damaged(folder, name, lambda content: encoded(np.zeros(shape)))
    text = refused(folder)
    assert told in text
    assert '"stimulus.source": "arrays"' in text


def test_numbers_that_do_not_fit_the_data_are_refused(folder):
    assert "does not divide the 24 pixels" in refused(folder, pixels_per_step=7)
    assert "1, 2, 3, 4, 6, 8, 12, 24" in refused(folder, pixels_per_step=48)
    assert "stimulus.validation" in refused(folder, validation=12)
    assert "stimulus.subset" in refused(folder, subset=10)


def test_more_classes_may_be_asked_for(folder):
    damaged(folder, NAMES[1], lambda content: encoded(np.full(12, 11)))
    assert stimuli(folder, classes=12).batch("train", np.arange(2))[1].shape == (1, 2, 12)


@given(st.binary(max_size=40) | st.binary(max_size=30).map(lambda tail: b"\0\0\x08" + tail))
def test_any_bytes_are_an_array_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(content)
    try:
        array = read_idx(path)
    except DescriptionError as error:
        assert str(path) in str(error)
    else:
        assert content[2] != 8 or encoded(array) == content


@pytest.mark.parametrize(("code", "kind"), [(8, ">u1"), (0x0E, ">f8")])
def test_an_array_has_as_many_bytes_as_the_limit_and_no_more(tmp_path, monkeypatch, code, kind):
    item, path = np.dtype(kind).itemsize, tmp_path / "file"
    monkeypatch.setattr(idx, "LARGEST", 6 * item)
    for size, content in ((6, np.arange(6).astype(kind).tobytes()), (7, b"")):  # nothing is read behind the header
        path.write_bytes(bytes([0, 0, code, 1, 0, 0, 0, size]) + content)
        if size == 6:
            np.testing.assert_array_equal(read_idx(path), np.arange(6))
        else:
            with pytest.raises(DescriptionError, match=r"an IDX header with the sizes \[7\]"):
                read_idx(path)


def test_only_files_of_mnist_are_downloaded():
    assert set(SHA256) == set(NAMES)
    assert download(["my-images"]) == {}


def test_a_failed_download_is_told_with_the_files_that_are_missing(monkeypatch):
    import pooch

    def unreachable(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(pooch, "retrieve", unreachable)
    monkeypatch.setattr(idx, "download", download)
    with pytest.raises(DescriptionError, match="(?s)download failed: no network.*train-images-idx3-ubyte"):
        stimuli(checksums=dict.fromkeys(NAMES, "0"))


@pytest.mark.parametrize(
    "other",
    [
        lambda name: name.replace("-idx", ".idx"),
        lambda name: name.replace("-", "_") + ".gz",
        lambda name: f"{name}/{name}",
        lambda name: f"MNIST/raw/{name}",
    ],
)
def test_other_spellings_of_the_names_are_found(tmp_path, data, other):
    for name, array in data.items():
        path = tmp_path / other(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(encoded(array)) if path.suffix == ".gz" else encoded(array))
    assert stimuli(tmp_path).size("test") == 5


def test_files_of_other_names_are_named(tmp_path):
    (tmp_path / "emnist-letters-train-images-idx3-ubyte.gz").touch()
    text = refused(tmp_path)
    assert "holds emnist-letters-train-images-idx3-ubyte.gz" in text
    assert "first_label=1" in text


def test_whole_paths_and_the_current_folder(folder, data, monkeypatch):
    monkeypatch.chdir(folder)
    assert stimuli().size("test") == 5
    whole = str(next(folder.glob(f"{NAMES[0]}*")))
    assert stimuli(folder, train_images=whole).size("train") == 9


TYPED = {9: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@pytest.mark.parametrize(("code", "kind"), TYPED.items())
def test_wider_types_are_the_same_numbers(folder, data, code, kind):
    low = {**data, NAMES[0]: data[NAMES[0]] % 128, NAMES[2]: data[NAMES[2]] % 128}
    shown = []
    for change in (encoded, lambda array: encoded(array)[:2] + bytes([code]) + encoded(array)[3 : 4 + 4 * array.ndim]
                   + array.astype(kind).tobytes()):  # fmt: skip
        for name in (NAMES[0], NAMES[2]):
            damaged(folder, name, lambda content, array=low[name], change=change: change(array))
        shown.append(stimuli(folder, brightest=127).batch("test", np.arange(3))[0])
    assert shown[1].dtype == np.float32
    np.testing.assert_array_equal(*shown)


def test_labels_from_one_and_images_on_their_side(folder, data):
    plain = stimuli(folder)
    damaged(folder, NAMES[1], lambda content: encoded(data[NAMES[1]] % 10 + 1))
    damaged(folder, NAMES[3], lambda content: encoded(data[NAMES[3]] % 10 + 1))
    for name in (NAMES[0], NAMES[2]):
        damaged(folder, name, lambda content, name=name: encoded(data[name].swapaxes(1, 2)))
    found = stimuli(folder, first_label=1, transpose=True)
    for split in ("train", "validation", "test"):
        trials = np.arange(3)
        np.testing.assert_array_equal(found.stimulus(split, trials), plain.stimulus(split, trials))
        np.testing.assert_array_equal(found.labels(split, trials), plain.labels(split, trials))


@pytest.mark.parametrize(
    ("labels", "classes", "settings"),
    [
        (np.arange(12) % 10 + 1, 10, ["first_label", "1"]),
        (np.arange(12) + 1, 10, ["first_label", "1", "classes", "12"]),
        (np.arange(12), 10, ["classes", "12"]),
    ],
)
def test_the_settings_for_other_labels_are_told(folder, labels, classes, settings):
    damaged(folder, NAMES[1], lambda content: encoded(labels))
    hint = refused(folder, classes=classes).partition("try: ")[2]
    assert re.findall(r"first_label|classes|\d+", hint) == settings


@pytest.mark.parametrize(
    ("highest", "brightest"), [(1, "1"), (15, "15"), (16, "16"), (100, "100"), (127, "127"), (128, ""), (255, "")]
)
def test_a_range_of_pixels_that_is_not_that_of_bytes_is_told(folder, data, highest, brightest):
    damaged(folder, NAMES[0], lambda content: encoded(np.minimum(data[NAMES[0]], highest)))
    if not brightest:
        assert stimuli(folder).size("train") == 9
        return
    text = refused(folder)
    assert f"values from 0 to {highest}" in text
    assert f'"stimulus.brightest": {brightest}}}' in text
    test = np.minimum(data[NAMES[2]], highest)
    damaged(folder, NAMES[2], lambda content: encoded(test))
    assert stimuli(folder, brightest=highest).batch("train", np.arange(9))[0].max() == 1
    assert "brighter than white" in refused(folder, brightest=highest / 2)


def test_swapped_files_are_told(folder, data):
    damaged(folder, NAMES[0], lambda content: encoded(data[NAMES[1]]))
    damaged(folder, NAMES[1], lambda content: encoded(data[NAMES[0]]))
    assert "the files are swapped" in refused(folder)


def test_a_file_is_no_folder_of_data(tmp_path):
    (tmp_path / "notes.txt").touch()
    for find in (
        lambda folder: files.find(["x"], folder, "own", {}),
        lambda folder: files.find_folder("x", folder, "own"),
    ):
        with pytest.raises(DescriptionError, match="data_dir: is a file"):
            find(str(tmp_path / "notes.txt"))


def test_all_trials_but_one_may_be_held_out_and_all_others_learned(folder, data):
    assert [stimuli(folder, validation=11).size(split) for split in ("train", "validation")] == [1, 11]
    assert "fewer than 12" in refused(folder, validation=12)
    assert stimuli(folder, subset=9).size("train") == 9
    assert "at most 9" in refused(folder, subset=10)
    assert stimuli(folder, validation=0).size("train") == 12


@pytest.mark.parametrize("first", [None, 0, 3])
def test_labels_are_the_classes_from_the_first_to_the_last(folder, data, first):
    lowest, settings = first or 0, {} if first is None else {"first_label": first}
    labels = data[NAMES[3]].clip(lowest, lowest + 6)
    for name, size in ((NAMES[1], 12), (NAMES[3], 5)):
        for path in (folder / name, folder / f"{name}.gz"):
            path.unlink(missing_ok=True)
        within = np.resize(labels, size)
        within[:2] = lowest, lowest + 6
        (folder / name).write_bytes(encoded(within))
    shown = stimuli(folder, classes=7, **settings).labels("train", np.arange(9))
    assert (shown.min(), shown.max()) == (0, 6)
    assert "is out of range" in refused(folder, classes=6, **settings)
    assert "is out of range" in refused(folder, classes=7, first_label=lowest + 1)


def test_labels_are_whole_and_pixels_not_negative(folder, data):
    def floats(array):
        return bytes([0, 0, 0x0E, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(">f8").tobytes()

    images, darker = data[NAMES[0]] / 1.0, data[NAMES[0]] / 1.0
    darker[3, 2, 1] = -0.25
    for wrong, told in (
        (darker, "found: -0.25"),
        (np.where(darker < 0, np.nan, images), "pixels below 0, or no numbers"),
    ):
        damaged(folder, NAMES[0], lambda content, wrong=wrong: floats(wrong))
        assert told in refused(folder)
    damaged(folder, NAMES[0], lambda content: floats(np.zeros((12, 4, 6))))  # as black as they are
    assert not stimuli(folder).stimulus("train", np.arange(9)).any()
    damaged(folder, NAMES[1], lambda content: floats(data[NAMES[1]]))
    assert "labels that are not whole numbers" in refused(folder)


def test_a_folder_is_listed_as_far_as_is_of_use(tmp_path, monkeypatch):
    for number in range(8):
        (tmp_path / f"{number}.idx").touch()
    (tmp_path / "folder").mkdir()
    listed = ", ".join(f"{number}.idx" for number in range(8))
    assert f"{tmp_path} holds {listed}\n" in refused(tmp_path)
    (tmp_path / "8.idx").touch()
    assert f"{tmp_path} holds {listed}, …\n" in refused(tmp_path)
    monkeypatch.setattr(files, "MOST_ENTRIES", 2)
    assert f"{tmp_path} holds 0.idx, 1.idx\n" in refused(tmp_path)


def test_a_file_of_mnist_is_downloaded_by_its_name_and_checksum(monkeypatch, tmp_path):
    import pooch

    asked = []
    monkeypatch.setattr(pooch, "retrieve", lambda *given, **named: asked.append((given, named)) or "file")
    monkeypatch.setattr(mnist_download, "downloads", lambda folder: tmp_path / folder)
    assert download(NAMES[:2]) == dict.fromkeys(NAMES[:2], Path("file"))
    (first, named), _ = asked
    assert first == (f"https://ossci-datasets.s3.amazonaws.com/mnist/{NAMES[0]}.gz", SHA256[NAMES[0]])
    assert (named["fname"], named["path"]) == (f"{NAMES[0]}.gz", tmp_path / "mnist")
    assert download([NAMES[0], "my-images"]) == {}


def test_a_set_may_have_a_single_image(folder, data):
    damaged(folder, NAMES[2], lambda content: encoded(data[NAMES[2]][:1]))
    damaged(folder, NAMES[3], lambda content: encoded(data[NAMES[3]][:1]))
    found = stimuli(folder)
    assert found.size("test") == 1
    np.testing.assert_allclose(found.stimulus("test", np.array([0]))[:, 0], data[NAMES[2]][0] / 255, atol=1e-7)
