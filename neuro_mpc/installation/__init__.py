"""What the package finds where it is installed, and what is missing."""

from __future__ import annotations

from neuro_mpc.installation import packages
from neuro_mpc.installation.finding import Finding


def findings() -> list[Finding]:
    """All that is needed or can be used; of packages alone where some are missing, since nothing works without them."""
    found = list(packages.examined())
    if any(each.state == "failed" for each in found):
        return found
    from neuro_mpc.installation import compiling, folders

    return [*found, *compiling.examined(), *folders.examined()]
