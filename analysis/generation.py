"""Does the circuit speak the language, before and after learning?

python analysis/generation.py generation.nc --out generation.png
"""

from recipe import answer

from neuro_mpc.analysis import experiment


def numbers(run):
    found = experiment(run, "generation")
    yield f"correct letter ratio (chance {found.attrs['chance']:.3f}): mean over repeats, lowest to highest"
    for presentation in found["presentation"].values:
        ratio = found["correct_letter_ratio"].sel(presentation=presentation).values
        spread = f"{ratio.min():.3f} to {ratio.max():.3f}"
        yield f"after {presentation:6,} presentations   {ratio.mean():.3f}, {spread}"


if __name__ == "__main__":
    answer(__doc__, "generation", numbers)
