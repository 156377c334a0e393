"""Schemes of inference, a class in a file each; other packages bring theirs as entry points `neuro_mpc.schemes`."""
