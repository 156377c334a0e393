"""How beliefs are inferred: the table ``[inference]`` of a protocol, in a form for each scheme, found by its name.

The schemes are in `neuro_mpc.networks.schemes`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import PlainValidator, model_validator

from neuro_mpc.descriptions.plugins import Registry
from neuro_mpc.descriptions.tables import BelowOne, NotNegative, OpenTable, Positive, problem

SCHEMES: Registry = Registry("scheme of inference", "neuro_mpc.schemes", "neuro_mpc.networks.schemes")


def _iterations(value: object) -> int | tuple[tuple[int, int], ...]:
    if isinstance(value, int) and _is_count(value, 1):
        return value
    pairs = value if isinstance(value, (list, tuple)) else ()
    if not pairs or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise problem("is neither a number nor a list of pairs", expected="such as 100 or [[0, 100], [40, 200]]")
    pairs = tuple(map(tuple, pairs))
    starts = [start for start, _ in pairs]
    if not all(_is_count(start, 0) and _is_count(number, 1) for start, number in pairs):
        raise problem("has a pair that is not [presentation, iterations]", expected="such as [[0, 100], [40, 200]]")
    if starts[0] != 0 or starts != sorted(set(starts)):
        raise problem("the presentations do not rise from 0", expected="such as [[0, 100], [40, 200]]")
    return pairs


def _window(value: object) -> int | str:
    if value == "sequence" or _is_count(value, 0):
        return value  # pyright: ignore[reportReturnType]  # one of these two
    raise problem(
        'is neither "sequence" nor a number of steps', expected='"sequence", or 0 (causal) or more later steps'
    )


def _is_count(value: object, least: int) -> bool:
    """Whether a value is a whole number, which true and false are not, and large enough."""
    return type(value) is int and value >= least


class Inference(OpenTable):
    """How beliefs are inferred; `scheme` chooses the inference scheme, which may have keys of its own.

    The form of a scheme is a subclass with its name as a literal `scheme`.

    scheme             name of the scheme
    rate               size dt/τ of an Euler step
    momentum           share of its velocity that a belief keeps from one iteration to the next, if the scheme has one
    iterations         iterations per presentation, or pairs [presentation, counted from 0; iterations from there on]
    tolerance          inference of a trial ends when the relative change of its energy falls below this; 0: never
    energy_limit       inference of a batch stops when the energy of its free populations' errors, summed over its
                       trials, exceeds this: it diverges (the released code stops at 10,000); 0: no limit
    redraw_noise       redraw the noise between inference and learning, as the released code does
    step_duration      time that a sequence step lasts, in ms: traces have an axis of time, and an iteration of a window
                       lasts its share of a step. τ is an iteration's time by `rate`
    variance_feedback  "exact": q = e ε / sqrt(D); "as-released": q = e ε, as in the code released with the paper
    window             "sequence": beliefs of all steps settle together, on all errors; k: those of a step settle on the
                       errors of steps up to k later, and then stay; 0: none hears of anything that comes after it. In
                       a window, `iterations` are those of each
    output_feedback    the output's error reaches the beliefs at "every" step that is read, or only at the "last", as in
                       the released code of the toy language (synapses to the output learn from all of them)

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.Inference(scheme="relaxation", iterations=50).rate
    0.1
    """

    registry = SCHEMES
    tag = "scheme"
    default_tag = "fixed-prediction"

    scheme: str = default_tag
    rate: Positive = 0.1
    momentum: BelowOne = 0.9
    iterations: Annotated[int | tuple[tuple[int, int], ...], PlainValidator(_iterations)] = 100
    tolerance: NotNegative = 0.0
    energy_limit: NotNegative = 0.0
    redraw_noise: bool = False
    window: Annotated[Literal["sequence"] | int, PlainValidator(_window)] = "sequence"
    step_duration: Positive | None = None
    variance_feedback: Literal["exact", "as-released"] = "exact"
    output_feedback: Literal["every", "last"] = "every"

    @model_validator(mode="after")
    def _looks_ahead_within_limits(self) -> Self:
        if self.window != "sequence" and self.settles:
            key = "tolerance" if self.tolerance else "energy_limit"
            raise problem(
                f"inference in windows takes all its iterations: {key} judges whole sequences", expected=f"{key} = 0"
            )
        if self.window != "sequence" and self.output_feedback == "last":
            raise problem("inference in windows hears every error of its window", expected='output_feedback = "every"')
        return self

    @property
    def settles(self) -> bool:
        """Whether trials may stop before the last iteration."""
        return self.tolerance > 0 or self.energy_limit > 0

    def iterations_at(self, presentation: int) -> int:
        """Iterations of the inference of a presentation, counted from 0."""
        if isinstance(self.iterations, int):
            return self.iterations
        return [number for start, number in self.iterations if start <= presentation][-1]
