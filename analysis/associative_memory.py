"""How well does a circuit complete an image of which a part is given?

python analysis/associative_memory.py memory.nc --out associative-memory.png
"""

import numpy as np
from canonical import answer, inferred

from neuro_mpc import stimuli
from neuro_mpc.plots import style

GIVEN = (1, 2, 3, 4, 5, 6, 7)  # rows of 8
SIDE, HALF, SHOWN = 8, 4, 6
KINDS = {"stored": {"color": style.AFTER, "marker": "o"}, "not stored": {"color": style.BEFORE, "marker": "s"}}


def images(trained):
    """kind → (image, pixel): all that were stored, and as many of the test split."""
    source = stimuli.load(trained.protocol, trained.circuit, trained.seed)
    numbers = np.arange(source.size("train"))
    return {
        "stored": source.given("train", numbers, "stimulus")[0],
        "not stored": source.given("test", numbers, "stimulus")[0],
    }


def completed(trained, whole):
    """kind → (rows given, image, pixel): what the circuit says of images from their upper rows."""
    cues = []
    for pictures in whole.values():
        for rows in GIVEN:
            cue = pictures.copy()
            cue[:, rows * SIDE :] = np.nan
            cues.append(cue)
    found = inferred(trained, {"stimulus": np.concatenate(cues)})["image_output"].values
    return dict(zip(whole, found.reshape(len(whole), len(GIVEN), *whole["stored"].shape), strict=True))


def errors(recalled, pictures):
    """(rows given, image): mean squared error of the pixels that were not given."""
    return np.array(
        [((found - pictures)[:, rows * SIDE :] ** 2).mean(1) for rows, found in zip(GIVEN, recalled, strict=True)]
    )


def interval(values):
    """Mean over images, and half of its 95 % interval (normal)."""
    return values.mean(-1), 1.96 * values.std(-1, ddof=1) / np.sqrt(values.shape[-1])


def drawn(trained):
    whole = images(trained)
    recalled = completed(trained, whole)
    found = {kind: interval(errors(recalled[kind], whole[kind])) for kind in whole}
    mean = np.broadcast_to(whole["stored"].mean(0), recalled["stored"].shape)
    baseline = interval(errors(mean, whole["stored"]))
    count = len(whole["stored"])
    numbers = [f"mean squared error of the pixels not given, {count} images a row (95 % interval over images)"]
    numbers += ["given   stored             not stored         mean image"]
    for place, rows in enumerate(GIVEN):
        cells = [f"{mean[place]:.4f} ± {half[place]:.4f}" for mean, half in (*found.values(), baseline)]
        numbers.append(f"{rows / SIDE:5.1%}   " + "    ".join(cells))
    return numbers, figure(whole["stored"], recalled["stored"], found, baseline)


def figure(stored, recalled, found, baseline):
    page = style.new_figure(style.DOUBLE, style.DOUBLE * 0.36)
    pictures, curves = page.subfigures(1, 2, width_ratios=(1.1, 1))
    grid = pictures.subplots(3, SHOWN)
    cue = stored.copy()
    cue[:, HALF * SIDE :] = np.nan
    rows = {"stored": stored, "given": cue, "recalled": recalled[GIVEN.index(HALF)]}
    for axes, (label, values) in zip(grid, rows.items(), strict=True):
        for panel, picture in zip(axes, values[:SHOWN], strict=True):
            panel.imshow(picture.reshape(SIDE, SIDE), cmap="Greys", vmin=0, vmax=1)
            panel.set_facecolor(style.PREDICTION)
            panel.set(xticks=[], yticks=[])
        axes[0].set_ylabel(label)
    axes = curves.subplots()
    shares = np.array(GIVEN) / SIDE
    for kind, look in KINDS.items():
        axes.errorbar(shares, *found[kind], label=kind, capsize=2, **look)
    axes.plot(shares, baseline[0], color=style.INK, linestyle=":", label="mean image")
    axes.set(xlabel="share of the image that is given", ylabel="mean squared error of the rest", ylim=(0, None))
    style.legend_above(axes, 3)
    style.letter(grid[0, 0], 0)
    style.letter(axes, 1)
    style.note(page, f"b: means and 95 % intervals (normal) over {len(stored)} images of each kind")
    return page


if __name__ == "__main__":
    answer(__doc__, drawn)
