"""Writing a figure to a file: PNG, PDF or SVG, the same bytes for the same figure."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from neuro_mpc.errors import RunFileError
from neuro_mpc.system import files

SUFFIXES = (".png", ".pdf", ".svg")


def refuse_missing_folder(folder: Path) -> None:
    """RunFileError for a folder that does not exist."""
    if not folder.is_dir():
        raise RunFileError(f"the folder {folder} does not exist", hint=f"mkdir -p {folder}")


def refuse_other_formats(path: Path) -> None:
    """RunFileError for a suffix that is no format of figures."""
    if path.suffix.lower() not in SUFFIXES:
        hint = f"one of {', '.join(SUFFIXES)}"
        raise RunFileError(f"{path}: figures cannot be written as {path.suffix or 'a file without suffix'}", hint=hint)


def written(figure: Figure, path: Path) -> Path:
    """The path of the figure's file, which takes its place once it is whole."""
    # Without its date, the same figure is the same file.
    date = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(path.suffix.lower(), {})
    try:
        with files.replacement(path) as new:
            figure.savefig(new, format=path.suffix.lower().removeprefix("."), metadata=date)
    except OSError as problem:
        raise RunFileError(f"{path} cannot be written: {problem}", hint="another path") from problem
    return path
