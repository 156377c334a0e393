"""How circuits learn to predict the next word, beside n-gram models and a transformer.

    python analysis/language.py RUN… --transformer small.json --out language.png --densities densities.png

Runs that differ in their seed only are one curve. Point weights and fixed prediction are a vanilla RNN,
weights that are distributions a spike-and-slab RNN; with relaxation they are predictive coding and meta
predictive learning. Drawn is the perplexity by epoch on the text that the protocol tests on, a panel for each
training text; n-gram models are horizontal lines, open symbols the values of Li, Qiu & Huang (2024) on the
test text, corrected. The second figure shows how π, Ξ and m are distributed over the synapses after training.
Tables are printed.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from curves import band, logarithmic_axis, over_seeds
from language_densities import draw_densities, first_bins
from language_runs import PAPER, Corpus, corpora, curve, tables, transformer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neuro_mpc import NeuroMPCError, open_run
from neuro_mpc.plots import style

LOOKS = {  # (weights are distributions, beliefs relax)
    (False, False): {"color": style.FAINT, "linestyle": "-", "marker": "s"},
    (True, False): {"color": style.INK, "linestyle": "-", "marker": "o"},
    (False, True): {"color": style.FAINT, "linestyle": "--", "marker": "D"},
    (True, True): {"color": style.INK, "linestyle": "--", "marker": "^"},
}
TRANSFORMER = {"color": style.AFTER, "linestyle": "-.", "marker": "v"}
COUNTED = {"unigram": (0, (1, 1)), "add-k bigram": (0, (4, 1, 1, 1))}
OPEN = {"linestyle": "", "mfc": "white", "mew": 0.8, "markersize": 4, "zorder": 1}


def draw(found: list[Corpus]) -> Figure:
    """A panel for each text."""
    figure = style.new_figure(style.SINGLE if len(found) == 1 else style.DOUBLE, 82 * style.MILLIMETRE)
    handles: dict[str, Line2D] = {}
    for index, (axes, corpus) in enumerate(zip(figure.subplots(1, len(found), squeeze=False)[0], found)):
        _panel(axes, corpus)
        style.letter(axes, index)
        style.heading(axes, corpus.name)
        lines, names = axes.get_legend_handles_labels()
        handles |= dict(zip(names, lines))
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=2 * len(found), handlelength=3)
    style.note(figure, over_seeds(len(runs) for corpus in found for runs in corpus.groups.values()))
    return figure


def _panel(axes: Axes, corpus: Corpus) -> None:
    for kind, runs in corpus.groups.items():
        curves = [curve(run, corpus.epoch) for run in runs]
        band(axes, curves, kind.label(corpus.groups), logarithmic=True, **LOOKS[kind.varies, kind.relaxes])
    for each in corpus.transformers:
        axes.plot(each["epoch"], each["perplexity"], label="causal transformer", **TRANSFORMER)
    for each in corpus.baselines:
        axes.axhline(
            each.perplexity[corpus.protocol.test.split],
            color=style.FAINT,
            linewidth=0.8,
            linestyle=COUNTED[each.name],
            label=each.name,
        )
    if corpus.is_whole:
        _paper(axes, corpus)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"perplexity on the {corpus.protocol.test.split} text")
    axes.set_xlim(0, axes.dataLim.x1 * 1.03)
    style.ticks(axes.xaxis, 6)
    logarithmic_axis(axes)


def _paper(axes: Axes, corpus: Corpus) -> None:
    """The paper's values on the test text as open symbols, up to the last epoch that is drawn."""
    epoch = np.array(PAPER["epoch"])
    shown = epoch <= axes.dataLim.x1
    for kind in {(each.varies, each.relaxes): each for each in corpus.groups}.values():
        values = np.array(PAPER["printed"][kind.paper])[shown] ** PAPER["exponent"]
        look = {**LOOKS[kind.varies, kind.relaxes], **OPEN}
        axes.plot(epoch[shown], values, label=f"{kind.name}, paper (test)", **look)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run file of a text")
    parser.add_argument("--transformer", nargs="*", default=[], metavar="JSON", help="of language_transformer.py")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="figure to write")
    parser.add_argument("--densities", type=Path, metavar="FILE", help="figure of parameters to write")
    arguments = parser.parse_args()
    try:
        with ExitStack() as stack, style.applied():
            runs = [stack.enter_context(open_run(path)) for path in arguments.runs]
            found = corpora(runs, [transformer(path) for path in arguments.transformer])
            draw(found).savefig(arguments.out)
            if arguments.densities and (figure := draw_densities(found)):
                figure.savefig(arguments.densities)
            print(*map(tables, found), first_bins(found), sep="\n\n")
    except (NeuroMPCError, OSError) as problem:
        parser.exit(2, f"{parser.prog}: {problem}\n")


if __name__ == "__main__":
    main()
