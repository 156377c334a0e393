"""Which letter does a circuit expect after a given one, the more strings it has learned?

    python analysis/next_letter.py RUN… --letters aw --out next-letter.png

RUN are runs of the toy language with different data loads (members of a sweep), drawn from the smallest load to the
largest, a row each: the probability of every letter after one letter alone, mean and standard deviation over the
noise, with the letters that the language allows filled. This is figure 3 of Li, Qiu & Huang (2024), which shows single
draws and does not say at which loads.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from curves import table
from matplotlib.figure import Figure

import neuro_mpc as nm
from neuro_mpc.plots import style
from neuro_mpc.runfile import access
from neuro_mpc.simulation.generation import Reader

DRAWS = 200
WIDTH, HEIGHT = 86, 26  # of a panel, millimetres


class Learned:
    """What a circuit expects after each given letter: probabilities (letter, draw of the noise, next letter)."""

    def __init__(self, path: Path, letters: str):
        with nm.open_run(path) as run:
            stimulus = access.describe(run, "protocol")["stimulus"]
            self.symbols = access.symbols(run)
        if stimulus["source"] != "toy-language":
            raise nm.RunFileError(f"{path} is no run of the toy language", hint="neuro-mpc run mpl toy-language …")
        if unknown := sorted(set(letters) - set(self.symbols)):
            raise nm.RunFileError(f"{path} knows no {', '.join(unknown)}", hint=f"letters of {''.join(self.symbols)}")
        self.load, self.letters = stimulus["load"], letters
        self._ahead = stimulus["transitions"]
        shown = np.repeat([self.symbols.index(each) for each in letters], DRAWS)
        with Reader(path, texts=len(shown)) as reader:  # each text has its own noise
            self.expected = reader.read(shown).reshape(len(letters), DRAWS, -1)

    def allowed(self, letter: str) -> list[int]:
        """Numbers of the letters that may follow."""
        return [(self.symbols.index(letter) + ahead) % len(self.symbols) for ahead in self._ahead]

    def on_allowed(self, letter: str) -> np.ndarray:
        """The probability (draw,) of all allowed letters together."""
        return self.expected[self.letters.index(letter)][:, self.allowed(letter)].sum(axis=1)


def draw(found: list[Learned]) -> Figure:
    columns = len(found[0].letters)
    figure = style.new_figure(columns * WIDTH * style.MILLIMETRE, (len(found) * HEIGHT + 8) * style.MILLIMETRE)
    panels = figure.subplots(len(found), columns, squeeze=False, sharex=True, sharey=True)
    for row, learned in zip(panels, found):
        for axes, letter, expected in zip(row, learned.letters, learned.expected):
            _bars(axes, learned, letter, expected)
    for index, axes in enumerate(panels.flat):
        style.letter(axes, index)
    for axes in panels[-1]:
        axes.set_xlabel("next letter")
    for axes in panels[:, 0]:
        axes.set_ylabel("probability")
    style.note(figure, f"means and standard deviations over {DRAWS} draws of the noise, one run a row")
    return figure


def _bars(axes, learned: Learned, letter: str, expected: np.ndarray) -> None:
    allowed = learned.allowed(letter)
    places = np.arange(len(learned.symbols))
    axes.bar(
        places,
        expected.mean(axis=0),
        yerr=expected.std(axis=0),
        width=0.7,
        edgecolor=style.INK,
        linewidth=0.6,
        color=[style.INK if place in allowed else "white" for place in places],
        error_kw={"elinewidth": 0.6, "ecolor": style.FAINT},
    )
    axes.set_xticks(places, learned.symbols)
    axes.set_ylim(0, 1)
    style.heading(axes, f"after {letter}, load {learned.load:g}")


def numbers(found: list[Learned]) -> str:
    """The probability on allowed letters, in Markdown."""
    rows = (
        [
            f"{learned.load:g}",
            *(f"{on.mean():.3f} ± {on.std(ddof=1):.3f}" for on in map(learned.on_allowed, learned.letters)),
        ]
        for learned in found
    )
    return table(["load", *(f"on allowed letters after {each}" for each in found[0].letters)], rows)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("runs", type=Path, metavar="RUN", nargs="+", help="run files of the toy language")
    words.add_argument("--letters", default="aw", help="letters to begin with (default: aw)")
    words.add_argument("--out", type=Path, metavar="FILE", required=True, help="figure to write")
    given = words.parse_args()
    try:
        found = sorted((Learned(path, given.letters) for path in given.runs), key=lambda each: each.load)
        print(numbers(found))
        with style.applied():
            draw(found).savefig(given.out)
        print(given.out)
    except nm.NeuroMPCError as error:
        sys.exit(f"{words.prog}: {error}")


if __name__ == "__main__":
    main()
