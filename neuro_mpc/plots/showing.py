"""Figures that show themselves where they end the cell of a notebook, in the size that they have in print."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
from matplotlib.figure import Figure

DOTS = 200  # an inch
PIXELS = 96  # an inch, of a page


class ShownFigure(Figure):
    """A figure that is drawn under the settings that it was made under, whatever they are when it is shown."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._settings: dict[Any, Any] = {key: value for key, value in matplotlib.rcParams.items() if key != "backend"}

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The picture, and its size on the page."""
        file = io.BytesIO()
        with matplotlib.rc_context(self._settings):
            self.savefig(file, format="png", dpi=DOTS)
        width, height = self.get_size_inches()
        return file.getvalue(), {"width": round(width * PIXELS), "height": round(height * PIXELS)}
