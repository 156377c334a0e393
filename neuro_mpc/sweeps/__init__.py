"""Sweeps: one circuit and protocol, run for every combination of some values and for several seeds."""
