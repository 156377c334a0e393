"""The picture of the README: learning curve and synapses of a first run, one below the other.

python analysis/first_run.py run.nc --out docs/figures/first-run.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from string import ascii_lowercase

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.text import Text

import neuro_mpc as nm
from neuro_mpc.plots import FIGURES, style

SHOWN = ("learning", "synapses")
DOTS_PER_INCH = 150


def picture(figure: Figure) -> np.ndarray:
    """The pixels of a figure, (height, width, 3), without the letters of its panels: they would stand twice."""
    figure.set_dpi(DOTS_PER_INCH)
    for text in figure.findobj(Text):
        if text.get_text() in ascii_lowercase and text.get_weight() in ("bold", 700):
            text.set_alpha(0.0)  # it keeps its room in the layout
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def stacked(pictures: list[np.ndarray]) -> np.ndarray:
    """One picture below the other on white."""
    width = max(each.shape[1] for each in pictures)
    return np.concatenate(
        [np.pad(each, ((0, 12), (0, width - each.shape[1]), (0, 0)), constant_values=255) for each in pictures]
    )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("run", type=Path, metavar="RUN", help="a run of mpl on toy-language")
    words.add_argument("--out", type=Path, metavar="FILE", required=True, help="a PNG file")
    given = words.parse_args()
    try:
        with nm.open_run(given.run) as run, style.applied():
            imsave(given.out, stacked([picture(FIGURES[name](run)[0]) for name in SHOWN]))
    except nm.NeuroMPCError as error:
        sys.exit(f"{words.prog}: {error}")


if __name__ == "__main__":
    main()
