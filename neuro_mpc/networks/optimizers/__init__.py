"""Optimisers, a class in a file each; other packages bring theirs as entry points `neuro_mpc.optimizers`."""

from neuro_mpc.descriptions.learning import OPTIMIZERS, Learning
from neuro_mpc.networks.optimizers.interface import Optimizer

__all__ = ["Learning", "Optimizer", "register"]

register = OPTIMIZERS.register
