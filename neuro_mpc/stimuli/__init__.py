"""Where the trials of a protocol come from. A source is a class that is registered here by its name."""

from __future__ import annotations

from collections.abc import Callable

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.stimuli.digits import DigitsStimuli
from neuro_mpc.stimuli.idx import IdxStimuli
from neuro_mpc.stimuli.interface import SPLITS, Split, Stimuli, one_hot
from neuro_mpc.stimuli.text import TextStimuli
from neuro_mpc.stimuli.toy_language import ToyLanguageStimuli

SOURCES: dict[str, Callable[[Protocol, Circuit, int], Stimuli]] = {
    "digits": DigitsStimuli,
    "idx": IdxStimuli,
    "text": TextStimuli,
    "toy-language": ToyLanguageStimuli,
}

__all__ = ["SOURCES", "SPLITS", "Split", "Stimuli", "load", "one_hot"]


def load(protocol: Protocol, circuit: Circuit, seed: int) -> Stimuli:
    """The stimuli of a protocol for a circuit (sized or not); DescriptionError where they cannot be had."""
    return SOURCES[protocol.stimulus.source](protocol, circuit, seed)
