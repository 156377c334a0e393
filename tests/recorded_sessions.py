"""Recorded mismatch sessions for tests: files whose responses are known."""

import numpy as np
import pytest

import neuro_mpc as nm

sessions = pytest.importorskip("sessions", reason="needs pynwb")

EVENTS = sessions.shown()
END = 5 + max(table["stop_time"].max() for table, *_ in EVENTS.values())
GOOD = {
    "device_name": ["ProbeA", "ProbeA", "ProbeA", "ProbeA", "ProbeB"],
    "decoder_label": ["sua", "sua", "sua", "noise", "mua"],
    "default_qc": ["True", "True", "True", "False", "True"],
    "isi_violations_ratio": [0.0, 0.5, 0.1, 0.0, 0.0],
    "amplitude_cutoff": [0.0, 0.1, 0.01, 0.0, 0.2],
    "presence_ratio": [1.0, 0.8, 0.9, 1.0, 1.0],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sessions")


@pytest.fixture(scope="module")
def spiking(folder):
    """As of Neuropixels: numbers are texts; the mouse runs in the first half of every minute."""
    file = sessions.session(EVENTS, texts=True)
    sessions.add_units(file, EVENTS, **GOOD)
    seconds = np.arange(0, END, 1 / 60)
    sessions.add_running(file, np.where(seconds % 60 < 30, 10.0, 0.0))
    return sessions.written(file, folder / "spiking.nwb")


@pytest.fixture(scope="module")
def imaged(folder):
    """As of a mesoscope: two planes, whose frames are taken at other times."""
    file = sessions.session(EVENTS)
    for number in range(2):
        times = np.arange(0, END, 1 / 9.48) + number / 40
        sessions.add_plane(file, f"VISp_{number}", times, sessions.fluorescence(EVENTS, times))
    return sessions.written(file, folder / "imaged.nwb")


@pytest.fixture(scope="module")
def known_mismatch(folder):
    """A run file whose results are known."""
    import mismatched

    from neuro_mpc.runfile.record import RunFile

    circuit, protocol = nm.load_circuit("mpl-mismatch"), nm.load_protocol("mismatch")
    path = folder / "run.nc"
    with RunFile(path, circuit=circuit, protocol=protocol, seed=0, backend="numpy", threads=1) as record:
        record.experiment(mismatched.mismatch())
    return path
