"""Mismatch sessions with the columns of the OpenScope files, made with pynwb, whose responses are known."""

from datetime import UTC, datetime

import numpy as np
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.epoch import TimeIntervals
from pynwb.ophys import DfOverF, Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

CHANGES = {"orientation_45": (0.7853, 2.0, 1.0), "orientation_90": (1.5707, 2.0, 1.0), "halt": (0.0, 0.0, 1.0),
           "omission": (0.0, 2.0, 0.0)}  # fmt: skip
"""Trial type → Orientation (radians, rounded as in the files), temporal frequency, contrast."""
NAMES = (*CHANGES, "orientation_0", "orientation_22.5", "delay_150", "delay_343", "delay_500", "delay_750",
         "delay_1000")  # fmt: skip
EACH, UNITS = 3, 3
SLOPE, OFFSET = 1.5, 20.0
"""Of the responses in contexts on those in control blocks."""
ON, APART, FRAME = 0.343, 2.4, 0.1
TOLD = ("shown", "until", "seen")
"""What is known of a presentation beside the columns of its table."""


def row(kind, shown, orientation=0.0, frequency=2.0, contrast=1.0, *, until=APART, duration=ON, delay=ON, element=1):
    """A presentation; `until` the next one, and `seen` after its onset (s)."""
    seen = ON + min(delay, ON) if shown.startswith("delay_") else 0.0
    return {
        "TrialType": kind, "Orientation": orientation, "TemporalFrequency": frequency, "contrast": contrast,
        "SpatialFrequency": 0.04, "Duration": duration, "Delay": delay, "TrialInSequence": float(element),
        "shown": shown, "until": until, "seen": seen,
    }  # fmt: skip


def changed(prefix="", kind="", **timing):
    return [
        row(kind or prefix + name, name, *values, **timing) for name, values in CHANGES.items() for _ in range(EACH)
    ]


def standard(kind="standard"):
    return [row(kind, "orientation_0") for _ in range(EACH)]


def sequences():
    """The third of five elements deviates in every third sequence."""
    for deviant in changed():
        for third in (row("standard", "orientation_0"), row("standard", "orientation_0"), deviant):
            others = (row("standard", "", 1.5707), row("standard", "", 0.7853))
            grey = row("sequence_omission", "", contrast=0.0)
            for at, each in enumerate((*others, third, others[1], grey)):
                yield {**each, "Duration": 0.25, "Delay": 0.0, "TrialInSequence": 1.0 + at, "until": 0.25}


def coupled(kind):
    """Frames of a grating that a wheel moves, and uncoupled gratings."""
    frames = [row(kind, "coupled", frequency=0.0, until=FRAME, duration=FRAME)] * 25
    return [each for deviant in changed("motor_", until=ON) for each in (deviant, *frames)]


def delayed(kind, delay, usual):
    """Presentations with this delay, followed by others."""
    early = row(kind, f"delay_{1000 * delay:g}", delay=delay, until=ON + delay)
    return [each for _ in range(EACH) for each in (early, *usual)]


BLOCKS = {
    "Standard mismatch block": ("standard_oddball", [*changed(), *standard()]),
    "Control block 1": (
        "standard_control",
        [*changed(kind="single"), *standard("single"), row("single", "orientation_22.5", 0.3926)],
    ),
    "Sequence mismatch block": ("sequential_oddball", list(sequences())),
    "Control block 2": ("sequential_control_block", [*changed(kind="single"), *standard("single")]),
    "Sensory-motor mismatch block": ("motor_oddball", coupled("standard")),
    "Control block 4": ("open_loop_prerecorded", coupled("prerecorded")),
    "Duration mismatch block": (
        "jitter_oddball",
        [each for delay in (0.15, 0.5, 1.0)
         for each in delayed("jitter", delay, [row("standard", "delay_343", until=2 * ON),
                                               row("standard", "delay_343")])],
    ),
    "Control block 3": (
        "jitter_control",
        [each for delay in (0.15, 0.343, 0.5, 1.0)
         for each in delayed("single", delay, [row("single", "delay_750", delay=0.75)])],
    ),
}  # fmt: skip
"""Label → BlockType and presentations."""


def shown(first=10.0):
    """Label → columns of its table, and `seen` and `shown` of each presentation; one block after the other."""
    found = {}
    for number, (label, (block_type, rows)) in enumerate(BLOCKS.items()):
        ends = first + np.cumsum([each["until"] for each in rows])
        start = np.concatenate([[first], ends[:-1]])
        columns = {name: [each[name] for each in rows] for name in rows[0] if name not in TOLD}
        table = {
            "start_time": start,
            "stop_time": start + columns["Duration"],
            "stim_name": ["Grating"] * len(rows),
            **columns,
            "phase": [0.0] * len(rows),
            "BlockNumber": [float(number)] * len(rows),
            "BlockType": [block_type] * len(rows),
            "BlockLabel": [label] * len(rows),
            "TrialNumber": np.arange(1.0, 1 + len(rows)).tolist(),
        }
        found[label] = table, start + [each["seen"] for each in rows], [each["shown"] for each in rows]
        first = ends[-1] + 5
    return found


def planted(events):
    """Of each event that has a response (onset, rates of all units); of coupled flow, and of what is no event, none."""
    for label, (_, onset, names) in events.items():
        for time, name in zip(onset, names, strict=True):
            if name in NAMES:
                yield time, rates(label.startswith("Control"), name)


def rates(is_control, name):
    """(unit,) in Hz, or of a fluorescence."""
    base = 20.0 * (1 + np.arange(UNITS) + NAMES.index(name))
    return base if is_control else SLOPE * base + OFFSET


def session(events, texts=False):
    """A file with its stimulus tables. `texts`: numbers are written as texts, as in Neuropixels sessions."""
    file = NWBFile("a session that was made, not recorded", "made", datetime(2025, 1, 1, tzinfo=UTC))
    for label, (columns, *_) in events.items():
        made = TimeIntervals(name=f"{label}_presentations", description=label)
        made.id.extend(range(len(columns["start_time"])))
        for name, values in columns.items():
            if name in made.colnames:
                made[name].extend(list(values))
            else:
                made.add_column(name, name, data=[str(each) for each in values] if texts else values)
        file.add_time_intervals(made)
    return file


def add_units(file, events, window=0.3, **columns):
    """Sorted units that fire at the rates of `planted` from each onset on."""
    onset, rate = zip(*planted(events), strict=True)
    for name in columns:
        file.add_unit_column(name, name)
    for unit in range(len(next(iter(columns.values()), range(UNITS)))):
        numbers = np.round(np.array(rate)[:, unit % UNITS] * window).astype(int)
        parts = [start + (0.5 + np.arange(count)) * window / count for start, count in zip(onset, numbers, strict=True)]
        file.add_unit(
            spike_times=np.sort(np.concatenate(parts)), **{name: each[unit] for name, each in columns.items()}
        )


def add_running(file, speed, frequency=60.0, unit="cm/s"):
    module = file.create_processing_module("running", "running")
    module.add(TimeSeries(name="running_speed", data=speed, unit=unit, rate=frequency, starting_time=0.0))


def fluorescence(events, times, window=0.3):
    """(time, unit): the rates of `planted` from each onset on, else -1."""
    values = np.full((len(times), UNITS), -1.0, np.float32)
    for onset, rate in planted(events):
        values[(times >= onset - 1e-9) & (times < onset + window - 1e-9)] = rate
    return values


def add_plane(file, name, times, values):
    """A plane of a mesoscope: dF/F, and events at the times of it."""
    device = file.create_device(f"device of {name}")
    channel = OpticalChannel(name="channel", description="green", emission_lambda=520.0)
    plane = file.create_imaging_plane(
        name=f"plane {name}", optical_channel=channel, description=name, device=device, excitation_lambda=920.0,
        indicator="GCaMP", location="VISp", imaging_rate=9.48,
    )  # fmt: skip
    module = file.create_processing_module(name, name)
    segmentation = ImageSegmentation()
    module.add(segmentation)
    regions = segmentation.create_plane_segmentation(name="rois", description="rois", imaging_plane=plane)
    for _ in range(values.shape[1]):
        regions.add_roi(pixel_mask=[(0, 0, 1.0)])
    region = regions.create_roi_table_region(region=list(range(values.shape[1])), description="all")
    dff = RoiResponseSeries(name="dff_timeseries", data=values, rois=region, unit="a.u.", timestamps=times)
    module.add(DfOverF(dff, name="dff_timeseries"))
    again = regions.create_roi_table_region(region=list(range(values.shape[1])), description="all")
    found = RoiResponseSeries(name="event_timeseries", data=2 * values, rois=again, unit="a.u.", timestamps=dff)
    module.add(Fluorescence(found, name="event_timeseries"))


def written(file, path):
    with NWBHDF5IO(path, "w") as io:
        io.write(file)
    return path
