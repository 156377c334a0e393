"""What tells whether a file, or a folder of files, is still the one that was opened."""

from __future__ import annotations

import os
from pathlib import Path

from neuro_mpc.errors import DescriptionError

MOST_FOLDERS = 10_000


class Signature:
    """Size, time and identity of a file; of a folder, those of all folders in it, in which files are replaced."""

    def __init__(self, path: Path):
        self.path = path
        self._paths = [path] if path.is_file() else self._folders()
        self._state = self._now()

    def refuse_change(self) -> None:
        """DescriptionError where the file is no longer what it was when this was made."""
        if self._now() != self._state:
            raise DescriptionError(
                "changed while it was read",
                source=str(self.path),
                expected="the data as they were when the run began",
                hint="a copy that nothing else writes to",
            )

    def _folders(self) -> list[Path]:
        folders = [Path(folder) for folder, _, _ in os.walk(self.path)]
        if len(folders) > MOST_FOLDERS:
            raise DescriptionError(
                "has too many folders", source=str(self.path), found=len(folders), expected=f"up to {MOST_FOLDERS:,}"
            )
        return folders

    def _now(self) -> list[tuple[int, ...]]:
        try:
            states = [os.stat(path) for path in self._paths]
        except OSError:
            return []
        return [(state.st_size, state.st_mtime_ns, state.st_ino, state.st_dev) for state in states]
