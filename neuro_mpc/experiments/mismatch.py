"""Mismatch: the same stimulus where it is rare, and in a block that controls for its context."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.experiments import EXPERIMENTS, ExperimentTable
from neuro_mpc.descriptions.tables import AtLeastOne, Listed
from neuro_mpc.errors import DescriptionError
from neuro_mpc.experiments.inference import LABELS
from neuro_mpc.experiments.interface import Experiment
from neuro_mpc.experiments.mismatch_events import Event, events
from neuro_mpc.experiments.responses import PURPOSE, batches, padded
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli import Task
from neuro_mpc.stimuli.fatigue import Fatigue
from neuro_mpc.stimuli.mismatch import VISUAL, ChosenStimuli, Context, Control, MismatchStimuli

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.simulation.presentation import Presenter
    from neuro_mpc.simulation.traces import Traces
    from neuro_mpc.simulation.trained import Trained

ADAPTATION = "adaptation"
VARIABLES = ("belief", "output", "error", "positive_error", "negative_error", "surprise")
SURPRISE = "what is seen minus what was expected of it before inference"
LEFT_OUT = ("BlockLabel",)
"""Columns of the stimulus table that other columns imply: names in a run file have no spaces."""


class Mismatch(ExperimentTable):
    """Deviants in their contexts, and the same stimuli, after histories of the same length, in control blocks.

    blocks    contexts and controls that are shown, of a session of its own; empty: those that were learned
    scale     factor on all numbers of presentations in this session; 1: as recorded
    trials    of each stimulus in each block, at most
    history   steps that are shown before a deviant, at least
    after     steps that are shown from its onset on, at least
    fatigue   of the visual input, whose response is recorded beside those of the circuit: what adaptation predicts
    """

    kind: Literal["mismatch"] = "mismatch"
    blocks: Listed[Context | Control] = ()
    scale: Annotated[float, Field(gt=0, le=100)] = 1.0
    trials: AtLeastOne = 12
    history: AtLeastOne = 16
    after: AtLeastOne = 6
    fatigue: Fatigue = Fatigue()


@EXPERIMENTS.register("mismatch")
class MismatchExperiment(Experiment):
    """Deviants in their contexts, and the same stimuli in control blocks."""

    table = Mismatch
    settings: Mismatch
    suits_any_task: ClassVar[bool] = True

    def results(self, presenter: Presenter, data: Task, trained: Trained) -> xr.Dataset:
        """Of every free population P `P_belief` and `P_error`, of every target `P_output` and `P_error` (step, trial,
        P_unit), after inference, of the first target also `P_surprise`, the error before it; and `adaptation` (step,
        trial, adaptation_unit), what is left of the visual input.

        Each trial is one event: `block` and `stimulus`, `trial_type` and `onset`, the step at which it is seen, or at
        which it fails to be seen. The stimulus table of these trials has the dimension `presentation`, with the columns
        of `MismatchStimuli.presentations` but for BlockLabel, and `presentation_trial` in the place of `trial`.

        Attributes: `step_ms`.
        """
        import xarray as xr

        table, source = self.settings, _source(data)
        blocks = tuple(dict.fromkeys(table.blocks or source.settings.session))
        session = source.redrawn(PURPOSE, blocks, table.scale)
        random = generator(presenter.seed, "mismatch", PURPOSE)
        chosen = list(events(session, table.history, table.after, table.trials, random))
        stimuli = ChosenStimuli(source, session, [event.cut for event in chosen])
        responses = _responses(presenter, Task(presenter.protocol, data.circuit, stimuli), len(chosen))
        shown = stimuli.given("test", np.arange(len(chosen)), VISUAL).clip(0)
        left = table.fatigue.applied(shown, session.step_ms)
        fatigued = (("step", "trial", f"{ADAPTATION}_unit"), left, {"long_name": "visual input that fatigue leaves"})
        labelled = xr.Dataset({**responses, ADAPTATION: fatigued}, _coordinates(chosen), {"step_ms": session.step_ms})
        rows = stimuli.presentations("test").drop_vars(LEFT_OUT).rename(trial="presentation_trial")
        return labelled.merge(rows.drop_attrs())

    def problems(self, circuit: Circuit, data: Task) -> Iterator[DescriptionError]:
        if not isinstance(data.source, MismatchStimuli):
            yield DescriptionError(
                "needs a circuit that has learned what a mismatch session shows",
                key="experiment.kind",
                found=f"mismatch, on a source of {type(data.source).__name__}",
                expected='stimulus.source = "mismatch"',
                hint="neuro-mpc run mpl-mismatch mismatch",
            )
        elif (needed := self.settings.history + self.settings.after) > data.steps:
            yield DescriptionError(
                "and what follows are longer than a trial",
                key="experiment.history",
                found=f"{needed} steps",
                expected=f"up to {data.steps} together with experiment.after",
            )


def _source(data: Task) -> MismatchStimuli:
    assert isinstance(data.source, MismatchStimuli)  # `problems` refuses others
    return data.source


def _responses(presenter: Presenter, data: Task, number: int) -> dict[str, tuple]:
    """P_variable → dimensions, values (step, trial, unit), attributes."""
    parts = []
    for count, (batch, new) in enumerate(batches(number, presenter.plan.trials)):
        shown, asked = data.presented("test", batch)
        expected, _, traces = presenter.respond(shown, asked, PURPOSE, count)
        target = data.circuit.target
        kept = {**traces, target: {**traces[target], "surprise": asked[target] - expected}}
        parts.append(_kept(kept, data.steps, new))
    return {
        f"{name}_{variable}": (
            ("step", "trial", f"{name}_unit"),
            np.concatenate([part[name, variable] for part in parts], axis=1),
            {"long_name": {**LABELS, "surprise": SURPRISE}.get(variable, variable.replace("_", " "))},
        )
        for name, variable in parts[0]
    }


def _kept(traces: Traces, steps: int, number: int) -> dict[tuple[str, str], np.ndarray]:
    return {
        (name, variable): padded(values[:, :number], steps)
        for name, variables in traces.items()
        for variable, values in variables.items()
        if variable in VARIABLES
    }


def _coordinates(chosen: list[Event]) -> dict[str, tuple]:
    named = {
        "block": [event.block for event in chosen],
        "stimulus": [event.stimulus for event in chosen],
        "trial_type": [event.kind for event in chosen],
        "onset": np.array([event.onset for event in chosen]),
    }
    return {name: ("trial", np.array(values)) for name, values in named.items()}
