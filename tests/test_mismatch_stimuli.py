"""Mismatch sessions: numbers and orders as recorded, stimulus tables, population codes, wheel and fatigue."""

import itertools
from collections import Counter

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc.stimuli import load
from neuro_mpc.stimuli.fatigue import Fatigue
from neuro_mpc.stimuli.gratings import grating_rates, speed_rates
from neuro_mpc.stimuli.mismatch import ChosenStimuli
from neuro_mpc.stimuli.mismatch_blocks import DIRECTIONS, Numbers, _apart, in_steps
from neuro_mpc.stimuli.wheel import FASTEST, GAIN, phases, speeds

ALL_CONTEXTS = ["standard", "sequence", "sensorimotor", "duration", "local", "global"]
ALL_CONTROLS = ["control-1", "control-2", "control-3", "control-4", "many-standards", "repetition"]


def mismatch(seed=0, **settings):
    settings = {"step_ms": 100.0, "steps": 48, **settings}
    return load(nm.load_protocol("mismatch", {f"stimulus.{key}": value for key, value in settings.items()}), None, seed)


def rows_of(table, block_type):
    return table.isel(presentation=table["BlockType"].values == block_type)


@pytest.fixture(scope="module")
def whole():
    return mismatch(contexts=ALL_CONTEXTS, controls=ALL_CONTROLS, scale=1.0, noise=0).presentations("train")


@pytest.fixture(scope="module")
def small():
    return mismatch(contexts=ALL_CONTEXTS, controls=ALL_CONTROLS, scale=0.05, noise=0)


FOUR = {"orientation_45": 35, "orientation_90": 35, "halt": 35, "omission": 35}


@pytest.mark.parametrize(
    ("block_type", "numbers"),
    [
        ("standard_oddball", {"standard": 2274 - 140, **FOUR}),
        ("sequential_oddball", {"standard": 1248 * 4 - 140, "sequence_omission": 1248, **FOUR}),
        ("jitter_oddball", {"standard": 2274 - 140, "jitter": 105, "omission": 35}),
        ("standard_control", {"single": 2 * 14 * 34, "halt": 2 * 34, "omission": 2 * 34}),  # shown twice
        ("sequential_control_block", {"single": 14 * 70, "halt": 70, "omission": 70}),
        ("jitter_control", {"single": 7 * 46, "omission": 46}),
        ("many_standards_control", {"single": 14 * 34}),
        ("local_oddball", {"standard": 240 * 5 + 60 * 4, "local_global_deviant": 60}),
        ("global_oddball", {"standard": 300 * 4, "local_deviant": 240, "global_deviant": 60}),
    ],
)
def test_blocks_have_the_numbers_of_the_sessions(whole, block_type, numbers):
    assert Counter(rows_of(whole, block_type)["TrialType"].values) == numbers


@pytest.mark.parametrize(
    ("block_type", "minutes", "each"), [("motor_oddball", 26, 35), ("open_loop_prerecorded", 6.4, 8)]
)
def test_coupled_blocks_have_deviants_of_343_ms_two_seconds_apart(whole, block_type, minutes, each):
    rows = rows_of(whole, block_type)
    kinds = Counter(name for name in rows["TrialType"].values if name.startswith("motor_"))
    assert kinds == {f"motor_{name}": each for name in FOUR}
    steps = (rows["stop_step"] - rows["start_step"]).values
    assert steps.sum() == int(minutes * 600)
    is_deviant = np.char.startswith(rows["TrialType"].values, "motor_")
    assert set(steps[is_deviant]) == {3}
    onsets = (np.cumsum(steps) - steps)[is_deviant]
    assert np.diff(onsets).min() >= 20


def test_sequences_are_90_45_0_45_and_grey_with_deviants_at_the_third_element(whole):
    rows = rows_of(whole, "sequential_oddball")
    place, kind = rows["TrialInSequence"].values, rows["TrialType"].values
    assert Counter(place) == dict.fromkeys(range(1, 6), 1248)
    assert set(place[np.isin(kind, list(FOUR))]) == {3}
    usual = kind == "standard"
    for element, orientation in ((1, 90), (2, 45), (3, 0), (4, 45)):
        at_place = np.degrees(rows["Orientation"].values[usual & (place == element)])
        np.testing.assert_allclose(at_place, orientation)
    assert set(kind[place == 5]) == {"sequence_omission"}
    deviating = len(np.unique(rows["SequenceNumber"].values[np.isin(kind, list(FOUR))]))
    assert deviating / 1248 == pytest.approx(0.11, abs=0.005)


def test_trains_repeat_one_of_four_directions_two_to_seven_times(whole):
    rows = rows_of(whole, "repetition_control")
    directions, sequence = np.degrees(rows["Orientation"].values).round(6), rows["SequenceNumber"].values
    lengths = Counter(sequence)
    assert set(sequence) == set(range(1, 161))
    assert set(lengths.values()) == set(range(2, 8))
    first = [directions[sequence == number] for number in range(1, 161)]
    assert all(len(set(each)) == 1 for each in first)
    assert {each[0] for each in first} == {0, 45, 90, 135}
    assert all(before[0] != after[0] for before, after in itertools.pairwise(first))


def test_a_halt_has_no_temporal_frequency_and_an_omission_no_contrast(whole):
    kind = whole["TrialType"].values
    assert set(whole["TemporalFrequency"].values[np.char.endswith(kind, "halt")]) == {0}
    assert set(whole["contrast"].values[np.char.endswith(kind, "omission")]) == {0}
    jittered = whole["Delay"].values[kind == "jitter"]
    assert Counter(jittered) == {0.15: 35, 0.5: 35, 1.0: 35}
    control = rows_of(whole, "jitter_control")
    delays = control["Delay"].values[control["TrialType"].values == "single"]
    assert Counter(delays) == dict.fromkeys((0.15, 0.343, 0.5, 0.75, 0.914, 1.0, 1.5), 46)


def test_controls_show_14_directions_and_many_standards_never_the_same_twice(whole):
    for block_type in ("standard_control", "sequential_control_block"):
        rows = rows_of(whole, block_type)
        single = rows["TrialType"].values == "single"
        assert sorted(set(np.round(np.degrees(rows["Orientation"].values[single]), 1))) == list(DIRECTIONS)
    many = rows_of(whole, "many_standards_control")["Orientation"].values
    assert np.diff(many).all()


def test_the_table_says_what_is_seen_at_every_step(small):
    table = small.presentations("test")
    seen = small.given("test", np.arange(small.size("test")), "visual")
    shown = np.zeros(seen.shape[:2], bool)
    for trial, start, stop, contrast in zip(
        *(table[name].values for name in ("trial", "start_step", "stop_step", "contrast")), strict=True
    ):
        shown[start:stop, trial] = contrast > 0
    np.testing.assert_array_equal(seen.max(axis=2) > 0, shown)
    row = table.isel(presentation=int(np.flatnonzero(table["TrialType"].values == "orientation_90")[0]))
    first = seen[int(row["start_step"]), int(row["trial"])]
    assert first.argmax() == 2 * 4  # the unit for 90° and the phase 0°


def test_deviants_can_be_less_rare_and_numbers_smaller():
    rows = mismatch(contexts=["standard"], controls=[], scale=0.1, deviants=140).presentations("train")
    assert Counter(rows["TrialType"].values) == {**dict.fromkeys(FOUR, 14), "standard": 227 - 56}


def test_sessions_follow_from_the_seed_and_the_split(small):
    same, other = (mismatch(seed, contexts=ALL_CONTEXTS, controls=ALL_CONTROLS, scale=0.05, noise=0) for seed in (0, 1))
    kinds = [
        each.presentations(split)["TrialType"].values.tolist()
        for each, split in ((small, "train"), (same, "train"), (other, "train"), (small, "test"))
    ]
    assert kinds[0] == kinds[1]
    assert kinds[0] != kinds[2]
    assert kinds[0] != kinds[3]
    noisy = mismatch(contexts=["standard"], controls=[], scale=0.05, noise=0.1)
    np.testing.assert_array_equal(
        noisy.given("test", np.arange(3), "visual")[:, 2:], noisy.given("test", np.array([2]), "visual")
    )


def test_running_moves_the_grating_of_a_closed_loop_alone(small):
    session = small.session("train")
    blocks = {block.kind: block for block in session.blocks}
    closed, opened = blocks["sensorimotor"], blocks["control-4"]
    usual = np.flatnonzero(closed.column("trial_type") == "standard")
    steps = closed.start[usual]
    np.testing.assert_allclose(closed.phase[steps], phases(closed.speed, 100.0)[steps])
    usual = opened.start[opened.column("trial_type") == "prerecorded"]
    assert np.abs(opened.phase[usual] - phases(opened.speed, 100.0)[usual]).max() > 90
    halt = int(np.flatnonzero(closed.column("trial_type") == "motor_halt")[0])
    still = closed.phase[closed.start[halt] - 1 : closed.stop[halt]]
    np.testing.assert_allclose(still, still[0])


def test_gratings_drift_by_two_cycles_a_second_from_where_they_begin(small):
    blocks = {block.kind: block for block in small.session("train").blocks}
    for kind, begins in (("standard", 0.0), ("sensorimotor", None)):
        block = blocks[kind]
        drifting = np.flatnonzero((block.column("frequency") > 0) & (block.start > 0))
        for start in block.start[drifting]:
            first = block.phase[start - 1] if begins is None else begins
            expected = (first + np.array([0.0, 72.0, 144.0])) % 360  # 2 Hz in steps of 100 ms
            np.testing.assert_allclose(block.phase[start : start + 3], expected)
            np.testing.assert_allclose(block.onset_phase[np.flatnonzero(block.start == start)], expected[0])


def test_a_mouse_runs_in_bouts_and_turns_the_grating_as_in_the_sessions():
    speed = speeds(np.random.default_rng(0), 20_000, 100.0)
    assert 0.35 < (speed == 0).mean() < 0.65
    assert speed.min() == 0
    assert 10 < speed[speed > 0].mean() < 14
    np.testing.assert_allclose(GAIN, 4.851, atol=0.001)
    np.testing.assert_allclose(np.diff(phases(np.full(3, 5.5), 100.0)), GAIN * np.degrees(0.1))


def test_the_population_codes_peak_at_what_is_preferred():
    angles = np.array([0.0, 90.0])
    rates = grating_rates(angles, angles, np.array([1.0, 0.5]), 8, 4)
    assert rates.shape == (2, 32)
    assert rates.argmax(axis=1).tolist() == [0, 2 * 4 + 1]
    np.testing.assert_allclose(rates.max(axis=1), [1, 0.5])
    assert speed_rates(np.array([0.0, 30.0]), 4, 30.0).argmax(axis=1).tolist() == [0, 3]
    np.testing.assert_allclose(speed_rates(np.array([15.0]), 1, 30.0), [[0.5]])


def test_fatigue_shrinks_what_is_repeated_down_to_its_equilibrium_and_recovers():
    fatigue = Fatigue(use=0.5, recovery=1000.0)
    shown = np.ones((100, 1))
    shown[50:90] = 0
    remaining = fatigue.applied(shown, 100.0)[:, 0]
    assert remaining[:2].tolist() == [1.0, 0.5]
    assert remaining[49] == pytest.approx(0.1 / (0.1 + 0.5))  # (1 − a)/τ = u a
    assert remaining[90] > 0.9
    tired = mismatch(contexts=["standard"], controls=[], scale=0.02, noise=0, fatigue={"use": 0.5, "recovery": 1e4})
    seen = tired.given("train", np.array([0]), "visual")[:, 0].max(axis=1)
    assert 0 < seen[18] < 0.6 * seen[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 10}, "too short"),
        ({"contexts": [], "controls": []}, "both empty"),
        ({"contexts": ["standard", "standard"]}, "twice"),
        ({"contexts": ["omission"]}, "stimulus.contexts"),
        ({"step_ms": 343.0}, "step_ms"),
    ],
)
def test_sessions_that_cannot_be_are_refused(settings, message):
    with pytest.raises(nm.DescriptionError, match=message):
        mismatch(**settings)


def test_a_block_that_no_trial_holds_is_refused():
    short = mismatch(contexts=["standard"], controls=[], steps=18)
    with pytest.raises(nm.DescriptionError, match="shorter than a sequence of the block 'repetition'"):
        short.redrawn("other", ("standard", "repetition"), 0.5)


def test_halves_of_a_step_are_rounded_up_and_nothing_is_lost():
    assert [in_steps(ms, 100.0) for ms in (0, 20, 150, 250, 343, 1500)] == [0, 1, 2, 3, 3, 15]


def test_of_everything_that_is_shown_there_is_one_at_least_and_of_deviants_none_if_asked():
    few = Numbers(scale=0.001, deviants=35, step_ms=100.0)
    assert (few.of(240), few.of(1500), few.of(2501), few.of_deviants) == (1, 2, 3, 1)
    assert Numbers(scale=1.0, deviants=0, step_ms=100.0).of_deviants == 0
    rows = mismatch(contexts=["standard", "sequence", "sensorimotor"], controls=[], scale=0.05, deviants=0)
    assert set(rows.presentations("train")["TrialType"].values) == {"standard", "sequence_omission"}


def test_places_are_as_far_apart_as_asked_and_from_both_ends():
    found = [_apart(30, 5, 100, np.random.default_rng(seed)) for seed in range(200)]
    assert min(np.diff(sorted(places)).min() for places in found) == 5
    assert {min(min(places) for places in found), max(max(places) for places in found)} == {5, 24}
    assert {len(places) for places in found} == {3, 4}
    assert [len(_apart(30, 5, number, np.random.default_rng(0))) for number in (0, 1, 2)] == [0, 1, 2]
    assert _apart(10, 5, 3, np.random.default_rng(0)) == []
    assert _apart(11, 5, 3, np.random.default_rng(0)) == [5]


def test_deviants_may_be_as_many_as_the_numbers_of_a_context():
    rows = mismatch(contexts=["standard", "sequence"], controls=[], scale=0.01, deviants=10_000, steps=100)
    kinds = Counter(rows.presentations("train")["TrialType"].values)
    assert {kinds[name] for name in FOUR} == {200}
    assert kinds["standard"] == 400 * 3  # of each sequence the first, the second and the fourth element


@pytest.mark.parametrize(("deviants", "fitting"), [(35, 140), (400, None)])
def test_coupled_deviants_are_of_each_kind_where_fewer_fit_than_are_asked_for(deviants, fitting):
    """26 minutes have 780 places two seconds apart, of which places by chance leave about three quarters."""
    rows = mismatch(contexts=["sensorimotor"], controls=[], scale=1.0, deviants=deviants).presentations("train")
    kinds = Counter(name for name in rows["TrialType"].values if name.startswith("motor_"))
    assert set(kinds) == {f"motor_{name}" for name in FOUR}
    assert max(kinds.values()) - min(kinds.values()) <= 1
    assert kinds.total() == fitting if fitting else 500 < kinds.total() < 700


def test_a_mouse_never_runs_faster_than_it_can_nor_backwards():
    class Extreme:
        """Shocks that are far larger than any that are drawn."""

        def __init__(self, shock):
            self.shock = shock

        def random(self, steps):
            return np.ones(steps)

        def integers(self, most):
            return most - 1

        def standard_normal(self, steps=None):
            return self.shock if steps is None else np.full(steps, self.shock)

    assert (speeds(Extreme(100.0), 20, 100.0) == FASTEST).all()
    assert (speeds(Extreme(-100.0), 20, 100.0) == 0).all()


@pytest.mark.parametrize("recovery", [50.0, 100.0, 200.0])
def test_an_input_recovers_at_most_as_a_whole_in_one_step(recovery):
    shown = np.array([1.0, 0.0, 1.0, 3.0, 1.0])
    remaining = Fatigue(use=0.5, recovery=recovery).applied(shown[:, None], 100.0)[:, 0]
    share, available, expected = min(100.0 / recovery, 1.0), 1.0, []
    for given in shown:
        expected.append(available * given)
        available = max(available + share * (1 - available) - 0.5 * available * given, 0.0)
    np.testing.assert_allclose(remaining, expected)


def test_trials_chosen_anywhere_are_those_of_their_places(small):
    session = small.session("train")
    cuts = [session.cuts[3], session.cuts[0]]
    chosen = ChosenStimuli(small, session, cuts)
    for split in ("train", "test"):
        assert chosen.size(split) == 2
        for channel in chosen.channels:
            np.testing.assert_array_equal(
                chosen.given(split, np.arange(2), channel), small.given("train", np.array([3, 0]), channel)
            )
