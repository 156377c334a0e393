"""Where an exported file comes from: circuit and protocol, seed, versions, and the digest of the run file."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import xarray as xr

from neuro_mpc import __version__
from neuro_mpc.runfile import access

IN_MEMORY = "not written to a file"


def provenance(run: xr.DataTree) -> dict[str, str]:
    """name → text: the attributes of the run, its file and its digest, and the version that exports it."""
    texts = {str(name): str(value) for name, value in run.attrs.items()}
    path = Path(run.encoding.get("source", ""))
    from_file = path.is_file()
    return {
        **texts,
        "run_file": path.name if from_file else IN_MEMORY,
        "run_sha256": digest(path) if from_file else IN_MEMORY,
        "exported_by": f"neuro_mpc {__version__}",
    }


def digest(path: Path) -> str:
    """SHA-256 of a file, which is read by parts."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def began(run: xr.DataTree) -> datetime:
    """When the run was started; the beginning of 1970 where it does not say."""
    try:
        moment = datetime.fromisoformat(str(run.attrs.get("created", "")))
    except ValueError:
        moment = datetime.fromtimestamp(0, UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def circuit_name(run: xr.DataTree) -> str:
    return str(access.describe(run, "circuit").get("name", "circuit"))
