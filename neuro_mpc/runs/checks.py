"""What neither the circuit nor the protocol shows alone: whether they fit together, and the data with them."""

from __future__ import annotations

import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_tables import INPUT
from neuro_mpc.descriptions.inference import SCHEMES
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.errors import DescriptionError, RunError
from neuro_mpc.networks import cluster
from neuro_mpc.networks.layout import NeuralGroup, groups
from neuro_mpc.networks.plan import Plan
from neuro_mpc.simulation.schedule import Course
from neuro_mpc.stimuli import Task
from neuro_mpc.stimuli.interface import TRIALS_AT_ONCE, Split

MOST_ELEMENTS = 2**31 - 1


def refuse_unfit(circuit: Circuit, protocol: Protocol, course: Course, data: Task) -> None:
    """DescriptionError where circuit, protocol and data do not fit together."""
    recordable = {*circuit.free, *circuit.targets}
    for name in protocol.recording.populations:
        if name not in recordable:
            raise DescriptionError(
                "is not a population that can be recorded",
                source=protocol.name,
                key="recording.populations",
                found=name,
                expected=", ".join(sorted(recordable)),
            )
    _refuse_trajectory(protocol)
    _refuse_windows(protocol)
    _refuse_influences(circuit, protocol)
    _refuse_split_errors(circuit, protocol)
    _refuse_learned_precisions(circuit, protocol, course)
    _refuse_single_symbols(circuit, data)
    tests = protocol.experiment is None and protocol.test.measure != "correct-letter-ratio"
    if tests and not data.size(protocol.test.split):
        raise DescriptionError(
            f"there are no trials to test on in the split {protocol.test.split!r}",
            source=protocol.name,
            key="test.split",
            found=protocol.test.split,
        )
    _refuse_tests_without_targets(protocol, data)
    for sample in protocol.recording.samples:
        if not -course.total <= sample < course.total and course.total:
            raise DescriptionError(
                "is not a presentation of this run",
                source=protocol.name,
                key="recording.samples",
                found=sample,
                expected=f"at least {-course.total}, below {course.total}",
            )


def refuse_unshared(protocol: Protocol, course: Course, workers: int, scheduler: str | None) -> None:
    """DescriptionError where so many processes cannot share a batch, RunError where there is no cluster for them."""
    if scheduler is not None:
        cluster.require_dask("a cluster needs")
        if workers == 1:
            raise DescriptionError(
                "shares no batch among the workers of a scheduler",
                key="workers",
                found=workers,
                expected="how many of them share each batch, 2 or more",
                hint="--workers 2, or leave the scheduler out",
            )
    if workers == 1:
        return
    if protocol.inference.energy_limit:
        raise DescriptionError(
            "ends the inference of a batch as a whole, which several processes cannot share",
            source=protocol.name,
            key="inference.energy_limit",
            found=protocol.inference.energy_limit,
            expected="0 with --workers above 1",
            hint="inference.tolerance, which ends that of each trial by itself, or --threads in place of --workers",
        )
    if course.batch % workers:
        fitting = [str(number) for number in range(1, course.batch + 1) if not course.batch % number]
        trials = f"the {course.batch} trials" if course.batch > 1 else "the one trial"
        raise DescriptionError(
            f"cannot share {trials} of a batch equally",
            key="workers",
            found=workers,
            expected=f"one of {', '.join(fitting)}" if course.batch > 1 else "1",
            hint=f"--set protocol.learning.batch={-(-course.batch // workers) * workers}",
        )


def refuse_too_long(plan: Plan) -> None:
    """RunError where a program of this plan would have an array whose elements Brian2 cannot number, in 32 bits."""
    longest = max(groups(plan), key=lambda group: group.elements)
    if longest.elements > MOST_ELEMENTS:
        of_trials = ", a smaller learning.batch, or more --workers that share it"
        raise RunError(
            f"an array of {longest.name} would have {longest.elements:,} numbers, and one may have {MOST_ELEMENTS:,}",
            hint=f"smaller populations{of_trials if isinstance(longest, NeuralGroup) else ''}",
        )


def _refuse_trajectory(protocol: Protocol) -> None:
    """DescriptionError where every iteration is to be recorded and inference cannot be stopped after each."""
    inference = protocol.inference
    stoppable = SCHEMES.get(inference.scheme).keeps_trajectory and not (inference.settles or inference.redraw_noise)
    if protocol.recording.trajectory and not stoppable:
        schemes = [f'"{name}"' for name in SCHEMES.names() if SCHEMES.get(name).keeps_trajectory]
        raise DescriptionError(
            f"this inference by {inference.scheme} records no trajectory",
            source=protocol.name,
            key="recording.trajectory",
            found=True,
            hint=f"inference.scheme = {' or '.join(schemes)}, without tolerance, energy_limit and redraw_noise",
        )


def _refuse_split_errors(circuit: Circuit, protocol: Protocol) -> None:
    """DescriptionError where errors are split and a scheme moves them itself."""
    scheme = protocol.inference.scheme
    for name, population in circuit.population.items():
        if population.role == "free" and population.split and not SCHEMES.get(scheme).split_errors:
            raise DescriptionError(
                f"{scheme} moves errors, which cannot be split",
                source=circuit.name,
                key=f"population.{name}.errors",
                expected='"signed", or another inference.scheme',
            )


def _refuse_learned_precisions(circuit: Circuit, protocol: Protocol, course: Course) -> None:
    """DescriptionError where a scheme has no errors r − h that a precision weighs, and where Π would grow without end:
    beliefs that are inferred can move to what makes the errors of a target vanish."""
    scheme = SCHEMES.get(protocol.inference.scheme)
    for name, population in circuit.population.items():
        if not population.learned_precision:
            continue
        place = {"source": circuit.name, "key": f"population.{name}.precision"}
        if protocol.learning.every == "step":
            raise DescriptionError(
                "precisions are learned from all errors of a presentation",
                expected="a number",
                hint='learning.every = "presentation"',
                **place,
            )
        if population.role == "free" and not scheme.weighs_errors:
            raise DescriptionError(
                f"{protocol.inference.scheme} makes errors of free populations that no precision weighs",
                expected="a number",
                hint=f"inference.scheme = {' or '.join(_weighing())}",
                **place,
            )
        is_fitted = any(each.source in circuit.free for each in circuit.incoming(name).values())
        if is_fitted and course.total and not scheme.holds_predictions and population.learned_precision.high is None:
            raise DescriptionError(
                "the learned precision of a target grows without end, as beliefs collapse onto what fits it",
                expected="precision.high = the largest precision",
                hint='inference.scheme = "fixed-prediction" holds beliefs while precisions are learned',
                **place,
            )


def _weighing() -> list[str]:
    return [f'"{name}"' for name in SCHEMES.names() if SCHEMES.get(name).weighs_errors]


def _refuse_windows(protocol: Protocol) -> None:
    """DescriptionError where a scheme infers whole sequences alone."""
    scheme, window = protocol.inference.scheme, protocol.inference.window
    if window != "sequence" and not SCHEMES.get(scheme).windows:
        able = [f'"{name}"' for name in SCHEMES.names() if SCHEMES.get(name).windows]
        raise DescriptionError(
            f"{scheme} infers whole sequences",
            source=protocol.name,
            key="inference.window",
            found=window,
            expected='"sequence"',
            hint=f"inference.scheme = {' or '.join(able)}",
        )


def _refuse_influences(circuit: Circuit, protocol: Protocol) -> None:
    """DescriptionError where influences are to be carried through predictions that are no input alone."""
    credit = protocol.learning.credit
    if credit not in ("trace", "influence"):
        return
    refused = [
        ("of synapses that two projections share", f"projection.{name}.tied", each.tied, "synapses of its own")
        for name, each in circuit.projection.items()
        if each.tied
    ]
    refused += [
        ("through this prediction", f"population.{name}.prediction", prediction, f'"{INPUT}"')
        for name in circuit.free
        if (prediction := circuit.population[name].prediction) not in (None, INPUT)
    ]
    for influence, key, found, expected in refused:
        raise DescriptionError(
            f"credit by {credit} knows no influence {influence}",
            source=circuit.name,
            key=key,
            found=found,
            expected=expected,
            hint='learning.credit = "sequence" or "local"',
        )


def _refuse_tests_without_targets(protocol: Protocol, data: Task) -> None:
    """DescriptionError where no trial of a split that is tested has a target: no share of right answers exists."""
    tested: tuple[Split, ...] = (protocol.test.split, "test") if protocol.experiment is None else ()
    for split in dict.fromkeys(tested):
        if data.size(split) and not _has_targets(data, split):
            raise DescriptionError(
                f"no trial of the split {split!r} has a target, so that nothing can be tested",
                source=protocol.name,
                key="test.split",
                found=f"{data.size(split):,} trials without a target",
                expected="a target at one step or more",
                hint="the labels or texts of this split",
            )


def _has_targets(data: Task, split: Split) -> bool:
    size = data.size(split)
    blocks = (np.arange(start, min(start + TRIALS_AT_ONCE, size)) for start in range(0, size, TRIALS_AT_ONCE))
    return any(data.has_target(split, block) for block in blocks)


def _refuse_single_symbols(circuit: Circuit, data: Task) -> None:
    """DescriptionError where units one by one are to receive from a stimulus that is the number of a symbol."""
    for name, projection in circuit.projection.items():
        if projection.connect == "one-to-one" and projection.source in data.symbol_populations:
            raise DescriptionError(
                f"{projection.source} is given numbers of symbols, whose weights are looked up in a matrix",
                source=circuit.name,
                key=f"projection.{name}.connect",
                found=projection.connect,
                expected='"all" or some of the pairs',
            )
