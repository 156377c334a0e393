"""`python -m neuro_mpc` is the command `neuro-mpc`."""

from neuro_mpc.cli import app

app(prog_name="neuro-mpc")
