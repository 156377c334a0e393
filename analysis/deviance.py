"""Do neurons and circuits respond alike to what is unexpected?

    python analysis/deviance.py circuit=run0.nc,run1.nc mouse=session.nwb --out deviance.png

Every source is a file, or several with commas between, under a name of yours: run files of mismatch experiments, or
recordings in NWB with the stimulus tables of the OpenScope sessions. The same measures are taken of all of them.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import xarray as xr
from curves import table

import neuro_mpc as nm
from neuro_mpc import analysis
from neuro_mpc.plots import style
from neuro_mpc.plots.deviance import side_by_side
from neuro_mpc.plots.saving import refuse_other_formats, written

MEASURES = ("index", "slope", "offset")


def main() -> None:
    given = _words()
    try:
        refuse_other_formats(given.out)
        found = dict(_measured(text, given) for text in given.sources)
        print(table(["source", "context", "stimulus", "trials", *MEASURES], rows(found)))
        with style.applied(text="".join(found)):
            print(written(side_by_side(found), given.out))
    except nm.NeuroMPCError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")


def rows(found: dict[str, xr.Dataset]):
    """Of every source, context and stimulus: measures with their intervals."""
    for name, one in found.items():
        for number in range(one.sizes["comparison"]):
            each = one.isel(comparison=number)
            values = (_with_interval(each.sel(measure=measure)) for measure in MEASURES)
            yield name, each["context"].item(), each["stimulus"].item(), str(int(each["trials"])), *values


def _measured(text: str, given: argparse.Namespace) -> tuple[str, xr.Dataset]:
    """Name and measures of a source, such as "mouse=session.nwb"."""
    name, _, files = text.rpartition("=")
    paths = [Path(each) for each in files.split(",")]
    sources = [_recorded(path, given) if path.suffix == ".nwb" else path for path in paths]
    found = analysis.mismatch(sources if len(sources) > 1 else sources[0], window=given.window, draws=given.draws)
    return name or paths[0].stem, found


def _recorded(path: Path, given: argparse.Namespace) -> xr.DataArray:
    return analysis.recorded(path, given.population, given.quantity, given.window, min_speed=given.min_speed)


def _with_interval(one: xr.Dataset) -> str:
    mean, low, high = (one[name].item() for name in ("mean", "low", "high"))
    if not math.isfinite(mean):
        return "—"
    return f"{mean:+.3f} ({low:+.3f} to {high:+.3f})" if math.isfinite(low) else f"{mean:+.3f}"


def _words() -> argparse.Namespace:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("sources", metavar="[NAME=]FILE[,FILE…]", nargs="+", help="run files (.nc), recordings (.nwb)")
    words.add_argument("--out", type=Path, default=Path("deviance.png"), metavar="FILE", help="the figure")
    words.add_argument("--population", default="", help="of recordings: a probe, or a processing module")
    words.add_argument("--quantity", default="", help="of recordings: spikes, dff, events, or the name of a series")
    words.add_argument("--window", type=float, nargs=2, default=(0, 300), metavar=("A", "B"), help="ms after onset")
    words.add_argument("--min-speed", type=float, metavar="SPEED", help="cm/s, where a wheel moves the grating")
    words.add_argument("--draws", type=int, default=500, metavar="N", help="bootstrap samples")
    return words.parse_args()


if __name__ == "__main__":
    main()
