"""Names of variables in the language of Brian2's equations."""

from __future__ import annotations

from string import ascii_letters

# Those that look like Latin letters have no name in LaTeX.
GREEK = set(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split()
)
# The others mean something to Brian2 or to synapses.
LETTERS = (set(ascii_letters) | GREEK) - {*"eiNt", "pi", "xi", "lambda"} - {*"nv", "mu", "tau"}


def brian_name(parameter: str) -> str:
    """The Brian2 variable of a synapse parameter: letters stand for themselves.

    Brian2 refuses about two thousand names, of constants (`pi`), units (`amp`, `flux`) and functions (`rand`).
    """
    return parameter if parameter in LETTERS else f"p_{parameter}"


def current_name(compartment: str) -> str:
    """The variable of the input of a compartment."""
    return f"I_{compartment}"
