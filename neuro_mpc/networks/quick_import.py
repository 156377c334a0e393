"""Imports Brian2 in a process of its own without what it imports for scripts and for its own tests.

    python -m neuro_mpc.networks.quick_import

imports all that simulates, to find out whether it can be.
"""

from __future__ import annotations

import sys

NEEDLESS = ("pylab", "matplotlib", "pytest")
COMPILES = "Cython"
"""Brian2 does without each of them, and without Cython for other targets. They take a third of the time,
for which every run and every build would wait."""


def import_brian2(target: str) -> None:
    """Import Brian2 for a target while what is needless cannot be imported."""
    needless = NEEDLESS if target == "cython" else (*NEEDLESS, COMPILES)
    absent = [name for name in needless if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]  # stands for a module that is not there
    try:
        import brian2  # noqa: F401
    finally:
        for name in absent:
            del sys.modules[name]


if __name__ == "__main__":
    import_brian2("numpy")
    import neuro_mpc.networks.model  # noqa: F401
