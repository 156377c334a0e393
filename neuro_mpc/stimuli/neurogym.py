"""Tasks of NeuroGym (Molano-Mazón et al. 2022, PsyArXiv aqc9n): trials of an environment, with their ground truth."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from numbers import Real
from typing import Annotated, Any, Literal, cast

import numpy as np
from pydantic import Field

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable, number_drawn
from neuro_mpc.descriptions.tables import AtLeastOne, Count
from neuro_mpc.errors import DescriptionError
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli.interface import SPLITS, STIMULUS, TARGET, Channel, Split, Stimuli

OBSERVATION, TRUTH, WHOLE = "observation", "ground_truth", "trial"
DISCRETE = "Discrete"
"""The kind of actions that are classes."""
INSTALL = 'pip install "neuro-mpc[neurogym]"'


class NeuroGym(StimulusTable):
    """Trials of an environment of NeuroGym, with the actions that are right.

    env         name of the environment
    options     of the environment, such as {timing = {stimulus = 500}}, in its own units
    dt          duration of a step (ms)
    steps       of a trial; 0: as many as the longest trial has. Shorter trials end in steps at which nothing is there
    trials      number of trials to learn
    validation  number of trials held out for validation
    test        number of trials held out for the test

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.NeuroGym(env="DelayComparison-v0", options={"timing": {"delay": 500}}).dt
    100
    """

    source: Literal["neurogym"] = "neurogym"
    env: str = "PerceptualDecisionMaking-v0"
    options: dict[str, Any] = {}
    dt: AtLeastOne = 100
    steps: Annotated[int, Field(ge=0, le=100_000)] = 0
    trials: AtLeastOne = 1000
    validation: Count = 100
    test: Count = 200


@dataclass(frozen=True)
class Trial:
    """observation (step, unit), truth (step,) or (step, unit), period → its first step and the step after its last,
    and the numbers that describe the trial."""

    observation: np.ndarray
    truth: np.ndarray
    periods: Mapping[str, tuple[int, int]]
    numbers: Mapping[str, float]


@SOURCES.register("neurogym")
class NeuroGymStimuli(Stimuli):
    """Trials as an environment draws them, whatever is answered: actions have no consequences here.

    ============== ================================================================================================
    channel        gives
    ============== ================================================================================================
    names of       the observations of that name (`observation_space.name`), such as fixation and stimulus;
    observations   `observation`, all of them, where they have no names
    ground_truth   the right action: a class where actions are discrete, else values
    NAME_period    1 during a period of the trial, such as decision_period; trial_period: until the trial ends.
                   Masks for `target.where`
    others         numbers of the trial, such as coh, to analyse by
    ============== ================================================================================================
    """

    table = NeuroGym

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        table = cast(NeuroGym, protocol.stimulus)
        environment = _made(table, protocol.name)
        self._groups, self._action = _groups(environment), environment.action_space
        self._trials = {split: _drawn(environment, number_drawn(table, split), seed, split) for split in SPLITS}
        lengths = [len(trial.truth) for trials in self._trials.values() for trial in trials]
        if table.steps and max(lengths) > table.steps:
            raise DescriptionError(
                "a trial is longer",
                source=protocol.name,
                key="stimulus.steps",
                found=table.steps,
                expected=f"{max(lengths)} or more; 0: those of the longest trial",
            )
        self.steps = table.steps or max(lengths)
        self._channels = self._offered(missing=min(lengths) < self.steps)

    def _offered(self, missing: bool) -> dict[str, Channel]:
        first = self._trials["train"][0]
        numbers = {name: Channel(1, missing=True, roles=()) for name in first.numbers}
        masks = {f"{name}_period": Channel(1, roles=()) for name in (*first.periods, WHOLE)}
        groups = {name: Channel(len(units), missing=missing, roles=(STIMULUS,)) for name, units in self._groups.items()}
        discrete = first.truth.ndim == 1
        truth = Channel(
            int(self._action.n) if discrete else first.truth.shape[1],
            "classes" if discrete else "values",
            missing=missing,
            names=_names(self._action) if discrete else (),
            roles=(TARGET,),
        )
        return {**numbers, **masks, **groups, TRUTH: truth}

    @property
    def channels(self) -> dict[str, Channel]:
        return self._channels

    def size(self, split: Split) -> int:
        return len(self._trials[split])

    def content(self, split: Split) -> Iterator[np.ndarray]:
        for trial in self._trials[split]:
            yield from (trial.observation, trial.truth)

    def given(self, split: Split, trials: np.ndarray, channel: str) -> np.ndarray:
        chosen = [self._trials[split][number] for number in trials]
        if channel == TRUTH:
            return self._padded([trial.truth for trial in chosen])
        if channel in self._groups:
            return self._padded([trial.observation[:, self._groups[channel]] for trial in chosen])
        if channel.endswith("_period"):
            return self._mask(chosen, channel.removesuffix("_period"))
        values = np.array([trial.numbers.get(channel, np.nan) for trial in chosen], np.float32)
        return np.tile(values[:, None], (self.steps, 1, 1))

    def _padded(self, series: list[np.ndarray]) -> np.ndarray:
        """The series of all trials, (T, B, …), with nothing after the end of each."""
        nothing = -1 if series[0].dtype.kind == "i" else np.nan
        padded = np.full((self.steps, len(series), *series[0].shape[1:]), nothing, series[0].dtype)
        for number, values in enumerate(series):
            padded[: len(values), number] = values
        return padded

    def _mask(self, chosen: list[Trial], period: str) -> np.ndarray:
        mask = np.zeros((self.steps, len(chosen), 1), np.float32)
        for number, trial in enumerate(chosen):
            start, end = (0, len(trial.truth)) if period == WHOLE else trial.periods.get(period, (0, 0))
            mask[start:end, number] = 1
        return mask


def _made(table: NeuroGym, source: str) -> Any:
    """The environment; DescriptionError where it cannot be had, or says not what is right."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gymnasium's, on the precision of bounds
            package = import_module("neurogym")
    except ImportError as problem:
        raise DescriptionError(
            f"tasks of NeuroGym need a package that is not installed: {problem.name}",
            source=source,
            key="stimulus.source",
            found="neurogym",
            hint=INSTALL,
        ) from None
    place = {"source": source, "key": "stimulus.env", "found": table.env}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            environment = package.make(table.env, dt=table.dt, **_unfrozen(table.options)).unwrapped
            environment.seed(0)
            environment.new_trial()
    except Exception as problem:  # whatever an environment raises
        reason = str(problem).partition("\n")[0]
        raise DescriptionError(
            f"NeuroGym cannot make this environment: {reason}",
            expected="a name such as PerceptualDecisionMaking-v0, and options that it has",
            **place,
        ) from None
    kind = type(environment.action_space).__name__
    if getattr(environment, "ob", None) is None or getattr(environment, "gt", None) is None:
        raise DescriptionError(
            "this environment has no ground truth", expected='a task that NeuroGym tags "supervised"', **place
        )
    if kind not in (DISCRETE, "Box"):
        raise DescriptionError(f"its actions are of the kind {kind}", expected="Discrete or Box", **place)
    return environment


def _unfrozen(value: Any) -> Any:
    """Tables and lists of a description as environments expect them."""
    if isinstance(value, Mapping):
        return {name: _unfrozen(entry) for name, entry in value.items()}
    return [_unfrozen(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def _drawn(environment: Any, number: int, seed: int, split: Split) -> list[Trial]:
    environment.seed(int(generator(seed, "neurogym", split).integers(2**31)))
    return [_trial(environment, environment.new_trial()) for _ in range(number)]


def _trial(environment: Any, description: Any) -> Trial:
    """The trial that an environment has drawn, copied."""
    truth = np.array(environment.gt)
    is_class = truth.ndim == 1 and type(environment.action_space).__name__ == DISCRETE
    truth = truth.astype(np.int64) if is_class else truth.reshape(len(truth), -1).astype(np.float32)
    starts, ends = environment.start_ind, environment.end_ind
    scalars = description.items() if isinstance(description, Mapping) else ()
    return Trial(
        np.array(environment.ob, np.float32).reshape(len(environment.ob), -1),
        truth,
        {name: (starts[name], ends[name]) for name in starts},
        {name: float(value) for name, value in scalars if name != TRUTH and isinstance(value, (Real, np.bool_))},
    )


def _groups(environment: Any) -> dict[str, np.ndarray]:
    """Name of a group of observations → their numbers."""
    named = getattr(environment.observation_space, "name", None)
    if named:
        return {name: np.atleast_1d(np.asarray(units, int)) for name, units in named.items()}
    return {OBSERVATION: np.arange(np.prod(environment.observation_space.shape, dtype=int))}


def _names(actions: Any) -> tuple[str, ...]:
    """Names of all actions; () where not all of them have one."""
    names: dict[int, str] = {}
    for name, numbers in (getattr(actions, "name", None) or {}).items():
        several = np.size(numbers) > 1
        for place, number in enumerate(np.atleast_1d(np.asarray(numbers)).tolist()):
            names[number] = f"{name} {place + 1}" if several else name
    return tuple(names[number] for number in range(len(names))) if set(names) == set(range(int(actions.n))) else ()
