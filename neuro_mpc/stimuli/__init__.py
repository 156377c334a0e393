"""Where the trials of a protocol come from: one file a source, its table and its class, registered by its name."""

from __future__ import annotations

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable
from neuro_mpc.stimuli.interface import SPLITS, Channel, Split, Stimuli, one_hot

__all__ = ["SPLITS", "Channel", "Split", "Stimuli", "StimulusTable", "load", "one_hot", "register"]

register = SOURCES.register


def load(protocol: Protocol, circuit: Circuit, seed: int) -> Stimuli:
    """The stimuli of a protocol for a circuit (sized or not); DescriptionError where they cannot be had."""
    return SOURCES.get(protocol.stimulus.source)(protocol, circuit, seed)
