"""Sweeps: one circuit and protocol run for every combination of some of their values, and for several seeds."""
