"""What an experiment on a trained circuit is: a table for each kind. Data only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from neuro_mpc.descriptions.tables import AtLeastOne, Count, Table, problem

Fraction = Annotated[float, Field(ge=0, le=1)]
Order = Literal["random", "most-variable", "least-variable", "strongest", "weakest"]


def _different(values: tuple) -> tuple:
    if not values or len(set(values)) < len(values):
        raise problem("is empty or names something twice", expected="different entries, one or more")
    return values


def _list_of(kind: object) -> object:
    """A tuple in Python, a list in TOML, of different entries."""
    return Annotated[tuple[kind, ...], Field(strict=False), AfterValidator(_different)]


class OnTrials(Table):
    """What all experiments that show stimuli share.

    split   whose trials are shown
    trials  the first so many of them; 0: all
    """

    split: Literal["test", "validation", "train"] = "test"
    trials: Count = 0


class Oddball(OnTrials):
    """A letter that the language forbids, in strings that were never learned.

    Every string is shown with the same noise as it is (standard), with another letter that is allowed there
    (control, where the language has one) and with a forbidden one (deviant).

    position    of the deviant in the string, counted from 0
    offset      steps on the ring from the standard letter to the deviant, 0 shows the standard again;
                left out: any forbidden letter, at random
    afterwards  "resume": the string goes on as it was; "follow": it goes on from the deviant by the same
                transitions, so that the one into the deviant is the only forbidden one
    """

    kind: Literal["oddball"] = "oddball"
    position: AtLeastOne = 5
    offset: int | None = None
    afterwards: Literal["resume", "follow"] = "resume"
    trials: Count = 200


class Omission(OnTrials):
    """An expected stimulus stays away: zero input, and, where the next stimulus is the target, no target.

    position  first step without a stimulus, counted from 0
    duration  number of these steps
    """

    kind: Literal["omission"] = "omission"
    position: AtLeastOne = 5
    duration: AtLeastOne = 1
    trials: Count = 200


class Lesion(OnTrials):
    """Units or synapses are silenced, more and more of them.

    of         a unit loses all its synapses, in both directions
    fractions  of the units or synapses that are silenced
    orders     which ones go first. Variable: by v / (μ² + v), the share of variance in the squared weight;
               strong: by μ² + v. Those of a unit are sums over its synapses, in both directions
    repeats    random orders to draw
    where      populations (units) or projections (synapses) in which to silence; left out: everywhere
    """

    kind: Literal["lesion"] = "lesion"
    of: Literal["units", "synapses"] = "synapses"
    fractions: _list_of(Fraction) = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    orders: _list_of(Order) = ("random", "most-variable", "least-variable", "strongest", "weakest")
    repeats: AtLeastOne = 10
    where: Annotated[tuple[str, ...], Field(strict=False)] = ()


class Ensemble(OnTrials):
    """Networks whose weights are drawn, once each, from the learned distributions.

    networks  how many
    """

    kind: Literal["ensemble"] = "ensemble"
    networks: Annotated[int, Field(ge=1, le=10_000)] = 50


class Generation(Table):
    """Strings that the circuit goes on with by itself from each letter, before and after learning.

    length         letters to generate
    repeats        strings from each letter, with other noise
    presentations  snapshots of the trained run; left out: its first and the one to start from
    """

    kind: Literal["generation"] = "generation"
    length: AtLeastOne = 50
    repeats: AtLeastOne = 4
    presentations: Annotated[tuple[Count, ...], Field(strict=False)] = ()


Experiment = Oddball | Omission | Lesion | Ensemble | Generation
"""Told apart by their `kind`."""
