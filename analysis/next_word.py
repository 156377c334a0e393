"""Which word does a circuit expect next, before, during and after training?

python analysis/next_word.py run.nc "the company said it will buy the shares" --out next-word.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import neuro_mpc as nm
from neuro_mpc.plots import style

SHOWN = 3  # most probable words in a cell
MOMENTS = ("before", "during", "after")
WIDTH, HEIGHT, HEAD = 18, 15, 16  # of a cell and of the head, millimetres


def moments(path: Path) -> dict[str, int]:
    """ "before", "during", "after" training → presentations learned; the middle only where there is a snapshot."""
    with nm.open_run(path) as run:
        kept = next(iter(run["synapses"].children.values()))["presentation"].values.astype(int)
    middle = [each for each in sorted(set(kept)) if 0 < each < kept[-1]]
    found = {"before": int(kept[0]), "during": int(middle[len(middle) // 2]) if middle else -1, "after": int(kept[-1])}
    return {name: number for name, number in found.items() if number >= 0}


def expected(output: xr.DataArray, number: int = SHOWN) -> np.ndarray:
    """The most probable words (position, rank)."""
    best = np.argsort(-output.values, axis=1, kind="stable")[:, :number]
    return output["symbol"].values[best]


def given(output: xr.DataArray) -> np.ndarray:
    """The probability (position,) that the word that comes next in fact was given."""
    known = set(output["symbol"].values)
    return np.array(
        [
            float(output[position].sel(symbol=word)) if word in known else np.nan
            for position, word in enumerate(output["text"].values)
        ]
    )


def table(outputs: dict[str, xr.DataArray]) -> list[str]:
    """Position by position: the word, the expectation, and the probability of the word."""
    lines = []
    for name, output in outputs.items():
        lines.append(f"{name} training, {output.attrs['presentation']} presentations")
        rows = zip(output["text"].values, given(output), expected(output))
        lines += [
            f"  {word:14} p = {probability:.4f}   expected: {', '.join(words)}" for word, probability, words in rows
        ]
        lines.append(f"  geometric mean of p: {np.exp(np.nanmean(np.log(given(output)))):.4f}")
    return lines


def draw(outputs: dict[str, xr.DataArray]) -> Figure:
    """A row for each moment: the words expected, the most probable one on top, on the probability of the word."""
    words = next(iter(outputs.values()))["text"].values
    figure = style.new_figure(len(words) * WIDTH * style.MILLIMETRE, (len(outputs) * HEIGHT + HEAD) * style.MILLIMETRE)
    axes = figure.subplots()
    shades = np.stack([given(output) for output in outputs.values()])
    image = axes.imshow(shades, cmap=style.POSITIVE, vmin=0, vmax=1, aspect="auto")
    for row, output in enumerate(outputs.values()):
        for column, best in enumerate(expected(output)):
            for rank, word in enumerate(best):
                bold = "bold" if word == words[column] else "normal"
                colour = "white" if shades[row, column] > 0.55 else style.INK
                axes.text(column, row + 0.25 * (rank - 1), word, ha="center", va="center", weight=bold, color=colour)
    axes.set_xticks(range(len(words)), words)
    axes.xaxis.tick_top()
    axes.set_yticks(
        range(len(outputs)), [f"{name}\n{output.attrs['presentation']:,}" for name, output in outputs.items()]
    )
    axes.tick_params(length=0)
    axes.set_ylabel("training, presentations")
    figure.colorbar(image, ax=axes, label="probability of\nthe word above", shrink=0.9, pad=0.01)
    return figure


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path, metavar="RUN", help="a run file of a text")
    arguments.add_argument("text", metavar="TEXT", help="a sentence of words that it knows")
    arguments.add_argument("--out", type=Path, default=Path("next-word.png"), metavar="FILE", help="png, pdf or svg")
    chosen = arguments.parse_args()
    try:
        outputs = {
            name: nm.next_symbols(chosen.run, chosen.text, presentation=number, mean_weights=True)
            for name, number in moments(chosen.run).items()
        }
        print(*table(outputs), sep="\n")
        with style.applied():
            draw(outputs).savefig(chosen.out)
        print(chosen.out)
    except nm.NeuroMPCError as error:
        sys.exit(f"{arguments.prog}: {error}")


if __name__ == "__main__":
    main()
