"""Schemes of inference, a class in a file each; other packages bring theirs as entry points `neuro_mpc.schemes`."""

from neuro_mpc.descriptions.inference import SCHEMES, Inference
from neuro_mpc.networks.schemes.interface import Scheme

__all__ = ["Inference", "Scheme", "register"]

register = SCHEMES.register
