"""Results of a mismatch experiment that are known beforehand."""

import numpy as np
import xarray as xr

from neuro_mpc.analysis.mismatch import CONTEXTS

CHANGES = ("orientation_45", "orientation_90", "halt", "omission", "orientation_0")
CELLS = {
    **dict.fromkeys(("standard", "control-1", "sequence", "control-2"), CHANGES),
    **dict.fromkeys(("sensorimotor", "control-4"), ("halt", "coupled")),
    **dict.fromkeys(("duration", "control-3"), ("delay_500", "delay_343")),
    **dict.fromkeys(("local", "global"), ("orientation_0", "orientation_90")),
    "many-standards": ("orientation_45", "orientation_90", "orientation_0"),
    "repetition": tuple(f"repetition_{number}" for number in range(1, 6)),
}
ONSET, STEPS, STEP_MS = 6, 14, 150.0


def mismatch(seed=0, trials=4, units=5):
    """From the onset on the error of unit i is i + 1, of deviants a half more, of a usual stimulus a half less."""
    random = np.random.default_rng(seed)
    events = [(block, stimulus) for block, stimuli in CELLS.items() for stimulus in stimuli for _ in range(trials)]
    factor = np.array([_factor(*event) for event in events])
    size = np.where(np.arange(STEPS)[:, None] >= ONSET, factor, 0.1)[:, :, None] * np.arange(1, units + 1)
    noisy = size + 0.01 * random.standard_normal(size.shape)
    sign = np.where(np.arange(units) % 2, 1, -1)
    values = {
        **dict.fromkeys(("seen_error", "seen_surprise", "hidden_error", "hidden_belief"), sign * noisy),
        "seen_output": noisy,
        "adaptation": noisy / factor[:, None],
    }
    names = {name: [event[place] for event in events] for place, name in enumerate(("block", "stimulus"))}
    of_trials = {**names, "trial_type": names["stimulus"], "onset": np.full(len(events), ONSET)}
    return xr.Dataset(
        {
            **{name: (("step", "trial", f"{name.split('_')[0]}_unit"), array) for name, array in values.items()},
            **{name: ("trial", np.array(array)) for name, array in of_trials.items()},
        },
        attrs={"kind": "mismatch", "step_ms": STEP_MS},
    )


def _factor(block, stimulus):
    if block == "repetition":
        return 1 / int(stimulus.removeprefix("repetition_"))
    usual = CONTEXTS.get(block, ("", ""))[1]
    return 0.5 if stimulus == usual else 1.5 if usual else 1.0
