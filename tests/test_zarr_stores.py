"""Zarr stores: examined before anything of them is unpacked, and as large as they may be."""

import json
import math
import os
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from own_data import STEPS, TRIALS, dataset, loaded, written

import neuro_mpc as nm
from neuro_mpc.stimuli import zarr_store

zarr = pytest.importorskip("zarr")
pytestmark = pytest.mark.usefixtures("data_folder")


def test_a_zarr_store_with_foreign_codecs_is_refused_before_it_is_unpacked():
    name = written(dataset(), "zarr")
    metadata = Path(name, "x", ".zarray")
    text = metadata.read_text()
    metadata.write_text(json.dumps({**json.loads(text), "filters": [{"id": "pickle"}]}))
    with pytest.raises(nm.DescriptionError, match="(?s)packed by a codec that is not read here.*found: 'pickle'"):
        loaded(file=name)
    metadata.write_text(text)
    assert loaded(file=name).steps == STEPS
    os.symlink("/etc/hosts", os.path.join(name, "x", "9.9"))
    with pytest.raises(nm.DescriptionError, match="is a link to another file"):
        loaded(file=name)


@pytest.mark.parametrize(
    ("limit", "exactly", "problem"),
    [
        ("LARGEST_CHUNK", 8 * 30 * STEPS * 3, "has chunks that are too large"),
        ("LARGEST_METADATA", None, "is too long"),
        ("MOST_ARRAYS", None, "has too many arrays"),
        ("SMALL_BYTES", None, "declares more data than a store of its size can hold"),
    ],
)
def test_a_zarr_store_is_as_large_as_it_may_be_and_no_larger(monkeypatch, limit, exactly, problem):
    name = written(dataset(), "zarr")
    monkeypatch.setattr(zarr_store, "MOST_COMPRESSION", 0)  # what it declares is all that counts
    if exactly is None:
        described = [path for path in Path(name).rglob(".z*") if path.is_file()]
        tables = [table for path in described for table in zarr_store._arrays(json.loads(path.read_text()))]
        exactly = {
            "LARGEST_METADATA": max(path.stat().st_size for path in described),
            "MOST_ARRAYS": len(described),
            "SMALL_BYTES": sum(math.prod(table["shape"]) for table in tables),
        }[limit]
    monkeypatch.setattr(zarr_store, limit, exactly)
    assert loaded(file=name).steps == STEPS
    monkeypatch.setattr(zarr_store, limit, exactly - 1)
    with pytest.raises(nm.DescriptionError, match=problem):
        loaded(file=name)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{", "is no JSON"), ('{"shape": [2.5], "chunks": [1]}', "has no shape of whole numbers")],
)
def test_a_zarr_store_that_describes_no_arrays_is_refused(text, problem):
    name = written(dataset(), "zarr")
    Path(name, "x", ".zarray").write_text(text)
    with pytest.raises(nm.DescriptionError, match=problem):
        loaded(file=name)


def test_of_a_store_that_cannot_be_read_the_first_line_of_the_reason_is_told(monkeypatch):
    pytest.importorskip("zarr")
    name = written(dataset(), "zarr")

    def fails(*_, **__):
        raise KeyError("no dimensions\nand more")

    monkeypatch.setattr(xr, "open_zarr", fails)
    with pytest.raises(nm.DescriptionError, match=r"cannot be read: '?no dimensions"):
        loaded(file=name)


def test_chunks_of_a_store_of_the_third_version_are_as_large_as_they_may_be_and_no_larger(monkeypatch):
    pytest.importorskip("zarr")
    dataset().drop_vars("split").to_zarr("data.zarr", zarr_format=3)
    largest = 8 * TRIALS * STEPS * 3
    monkeypatch.setattr(zarr_store, "LARGEST_CHUNK", largest)
    assert loaded(file="data.zarr").steps == STEPS
    monkeypatch.setattr(zarr_store, "LARGEST_CHUNK", largest - 1)
    with pytest.raises(nm.DescriptionError, match=f"(?s)chunks that are too large.*{largest}"):
        loaded(file="data.zarr")


def test_a_store_declares_as_much_as_one_of_its_size_can_hold_and_no_more(monkeypatch):
    name = written(dataset(), "zarr")
    paths = [path for path in Path(name).rglob("*") if path.is_file()]
    tables = [json.loads(path.read_text()) for path in paths if path.name == ".zarray"]
    declared, stored = sum(math.prod(table["shape"]) for table in tables), sum(path.stat().st_size for path in paths)
    consolidated = sum(path.name == ".zmetadata" for path in paths)
    monkeypatch.setattr(zarr_store, "MOST_COMPRESSION", Fraction((1 + consolidated) * declared, stored))
    monkeypatch.setattr(zarr_store, "SMALL_BYTES", 0)
    assert loaded(file=name).steps == STEPS
    monkeypatch.setattr(zarr_store, "SMALL_BYTES", -1)
    with pytest.raises(nm.DescriptionError, match="declares more data") as caught:
        loaded(file=name)
    assert caught.value.expected == f"what {stored:,} bytes can hold"


@pytest.mark.parametrize(
    ("array", "codecs"),
    [
        ({}, []),
        ({"compressor": None, "filters": None, "codecs": None}, []),
        (
            {"compressor": {"id": "blosc"}, "filters": [{"id": "delta"}, {"id": "shuffle"}]},
            ["delta", "shuffle", "blosc"],
        ),
        ({"codecs": [{"name": "bytes"}, "zstd"]}, ["bytes", "zstd"]),
        ({"codecs": [{"name": "numcodecs.zlib", "configuration": {"level": 1}}]}, ["zlib"]),
        (
            {
                "codecs": [
                    {
                        "name": "sharding_indexed",
                        "configuration": {
                            "codecs": [{"name": "bytes"}, {"name": "pickle"}],
                            "index_codecs": [{"name": "crc32c"}],
                        },
                    }
                ]
            },
            ["sharding_indexed", "bytes", "pickle", "crc32c"],
        ),
        ({"codecs": [{"name": "shuffle", "configuration": {"codecs": "strange"}}]}, ["shuffle", "strange"]),
        ({"codecs": {"name": "pickle"}, "filters": 5, "compressor": "zstd"}, ["pickle", "5", "zstd"]),
        ({"codecs": [{"name": "bytes", "configuration": "strange"}]}, ["bytes"]),
        ({"codecs": [{}]}, ["None"]),
    ],
)
def test_codecs_are_all_that_a_chunk_passes_through(array, codecs):
    assert [*zarr_store._codecs(array)] == codecs


@pytest.mark.parametrize(
    ("table", "right"),
    [
        ({"chunks": [2, 2]}, True),
        ({"chunk_grid": {"configuration": {"chunk_shape": [2, 2]}}}, True),
        ({}, False),
        ({"chunks": None}, False),
        ({"chunks": [2, 2.0]}, False),
        ({"chunks": [True, 2]}, False),
        ({"chunk_grid": "regular"}, False),
        ({"chunk_grid": {"configuration": "strange"}}, False),
        ({"chunk_grid": {"configuration": {"chunk_shape": 4}}}, False),
    ],
)
def test_an_array_says_its_chunks_in_the_words_of_either_version(table, right, tmp_path):
    array = {"shape": [3, 4], "codecs": ["bytes"], **table}
    if right:
        assert zarr_store._refuse_array(array, tmp_path) == 12
        return
    with pytest.raises(nm.DescriptionError, match="has no shape of whole numbers"):
        zarr_store._refuse_array(array, tmp_path)


@pytest.mark.parametrize("version", [2, 3])
def test_a_store_may_have_single_numbers_besides(version):
    pytest.importorskip("zarr")
    data = dataset().drop_vars("split").assign_coords(subject=3)
    data.to_zarr("data.zarr", zarr_format=version)
    assert loaded(file="data.zarr").steps == STEPS


def test_without_the_package_it_says_what_to_install(monkeypatch):
    name = written(dataset(), "zarr")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(nm.DescriptionError, match=r"need a package that is not installed(.|\n)*neuro-mpc\[zarr\]"):
        loaded(file=name)


@pytest.mark.parametrize("version", [2, 3])
def test_zeros_of_a_store_that_zarr_wrote_are_numbers(version):
    values = (np.arange(TRIALS * STEPS * 2).reshape(TRIALS, STEPS, 2) % 4).astype("f4")
    classes = (np.arange(TRIALS * STEPS).reshape(TRIALS, STEPS) % 3).astype("i4")
    store = zarr.open_group("own.zarr", mode="w", zarr_format=version)
    for name, each, dims in (("x", values, ["trial", "step", "unit"]), ("c", classes, ["trial", "step"])):
        named = {"dimension_names": dims} if version == 3 else {"attributes": {"_ARRAY_DIMENSIONS": dims}}
        store.create_array(name, shape=each.shape, dtype=each.dtype, fill_value=0, **named)[...] = each
    found, expected = loaded(file="own.zarr"), loaded({"x": values, "c": classes})
    trials = np.arange(found.size("train"))
    for name in ("x", "c"):
        assert not found.channels[name].missing
        np.testing.assert_array_equal(found.given("train", trials, name), expected.given("train", trials, name))


def test_marks_of_what_is_missing_that_xarray_wrote_are_kept():
    data = dataset()
    data["symbol"].encoding["_FillValue"] = -1
    data.to_zarr("marked.zarr", zarr_format=2, consolidated=False)
    found, expected = loaded(file="marked.zarr"), loaded(data)
    trials = np.arange(found.size("train"))
    for name in expected.channels:
        np.testing.assert_array_equal(found.given("train", trials, name), expected.given("train", trials, name))
