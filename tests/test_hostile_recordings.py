"""A recording of a stranger reaches nothing outside itself, and takes little memory."""

import tracemalloc

import h5py
import numpy as np
import pytest
from session_files import changed, fill

import neuro_mpc as nm
from neuro_mpc import analysis
from neuro_mpc.examination import inside

sessions = pytest.importorskip("sessions", reason="needs pynwb")

pytest_plugins = ("recorded_sessions",)
OUTSIDE = "units/spike_times"


def external_storage(file, outside):
    del file[OUTSIDE]
    file.create_dataset(OUTSIDE, shape=(10,), dtype="f8", external=[(str(outside), 0, 80)])


def external_link(file, outside):
    del file[OUTSIDE]
    file[OUTSIDE] = h5py.ExternalLink(str(outside), "/data")


def linked_folder(file, outside):
    """A symbolic link to a group that is in another file."""
    file["elsewhere"] = h5py.ExternalLink(str(outside), "/")
    del file[OUTSIDE]
    file[OUTSIDE] = h5py.SoftLink("/elsewhere/data")


def virtual(file, outside):
    del file[OUTSIDE]
    layout = h5py.VirtualLayout(shape=(10,), dtype="f8")
    layout[:] = h5py.VirtualSource(str(outside), "data", shape=(10,))
    file["units"].create_virtual_dataset("spike_times", layout)


def endless_links(file, outside):
    del file[OUTSIDE]
    file[OUTSIDE] = h5py.SoftLink("/" + OUTSIDE)


def foreign_filter(file, outside):
    del file[OUTSIDE]
    file.create_dataset(OUTSIDE, data=np.arange(1000), scaleoffset=0)


def compound(file, outside):
    del file[OUTSIDE]
    file[OUTSIDE] = np.zeros(3, [("a", "f8"), ("b", "i4")])


def endless_index(file, outside):
    del file["units/spike_times_index"]
    file.create_dataset("units/spike_times_index", shape=(2**44,), dtype="u1", chunks=(2**20,))


def endless_spikes(file, outside):
    del file[OUTSIDE]
    file.create_dataset(OUTSIDE, shape=(2**44,), dtype="f8", chunks=(2**20,))
    fill(file, "units/spike_times_index", np.array([1, 2, 3, 4, 2**44]))


def endless_table(file, outside):
    del file["units/id"]
    file.create_dataset("units/id", shape=(2**44,), dtype="u1", chunks=(2**20,))


def long_texts(file, outside):
    del file["units/device_name"]
    file.create_dataset("units/device_name", shape=(5,), dtype=f"S{2**24}", chunks=(1,))


HOSTILE = {
    endless_index: r"units/spike_times_index has the shape \(17592186044416,\), where there are 5 units",
    endless_spikes: "units/spike_times has the shape .17592186044416,., where up to 2,147,483,648 times are expected",
    endless_table: "the table 'units' has 17,592,186,044,416 rows, more than 1,048,576",
    long_texts: "the column device_name of the table 'units' holds texts of 16,777,216 bytes",
    external_storage: "units/spike_times has its data in another file",
    external_link: "units/spike_times is a link to another file",
    linked_folder: "units/spike_times is a link to another file",
    virtual: "units/spike_times is a virtual dataset",
    endless_links: "units/spike_times is a chain of more than 8 links",
    foreign_filter: "units/spike_times is packed by the filter 6",
    compound: "units/spike_times holds neither numbers nor texts",
}


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_a_recording_reaches_nothing_outside_itself(spiking, tmp_path, change):
    outside = tmp_path / "outside.h5"
    with h5py.File(outside, "w") as file:
        file["data"] = np.arange(10.0)
    outside.chmod(0)
    path = changed(spiking, tmp_path / "session.nwb", lambda file: change(file, outside))
    with pytest.raises(nm.RunFileError, match=HOSTILE[change]):
        analysis.recorded(path, "ProbeA")


def test_ten_hours_at_1_kHz_take_little_memory(imaged, tmp_path):
    """14 GB, of which the file holds nothing: where nothing was written, values are 2."""
    frames = 36_000_000

    def lengthen(file):
        group = file.create_group("processing/field/fast")
        data = group.create_dataset("data", (frames, 100), "f4", chunks=(2000, 100), fillvalue=2.0)
        data.attrs.update(conversion=0.5, offset=0.25, unit="V")
        group.create_dataset("starting_time", data=0.0).attrs["rate"] = 1000.0
        last = file["intervals/Control block 3_presentations"]
        for name in ("start_time", "stop_time"):
            last[name][...] += 35_000

    path = changed(imaged, tmp_path / "session.nwb", lengthen)
    analysis.recorded(path, "field", "fast", apart=50_000)  # what is imported only now
    tracemalloc.start()
    responses = analysis.recorded(path, "field", "fast", window=(-2000, 2000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (responses == 1.25).all()
    assert float(responses["onset_time"].max()) > 35_000
    assert peak < 64e6


@pytest.mark.parametrize("storage", [{}, {"chunks": (4,)}, {"chunks": (4,), "compression": "gzip"}], ids=str)
def test_how_long_texts_are_is_told_before_they_are_read(tmp_path, storage):
    """A text of a million characters, to which every row may refer."""
    path = tmp_path / "texts.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("short", data=["standard", "ä", ""] * 5, dtype=h5py.string_dtype(), **storage)
        file.create_dataset("long", data=["x"] * 11 + ["y" * 10**6], dtype=h5py.string_dtype(), **storage)
        file.create_dataset("none", shape=(9,), dtype=h5py.string_dtype(), **storage)
    with inside.opened(path) as file:
        found = [file.longest_text(name) for name in ("short", "long", "none")]
    assert found == ([None] * 3 if "compression" in storage else [8, 10**6, 0])
