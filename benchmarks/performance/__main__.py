"""Measures this framework beside its peers, beside its matrix products alone, and beside the peak of the processor.

    python benchmarks/performance [--only PART …] [--repeats 7] [--python PEER=PATH …]

All implementations of a case run in turn, pinned to the same core (and to two for the part "threads"), each in a
process of its own; what is shown are medians.  Peers that are not installed are skipped; `pip install
'.[benchmarks]'` brings those that a package index has.  `--python jax=/path/to/python` measures a peer with another
interpreter, where two of them need different versions of a library.

Prints a table for each part, and every ratio in a line of its own:

    RATIO <part> <what>/<by what> <value> target <target or -> <met, missed or ->

`--out now.json` keeps all of them in a file, after each part; `python benchmarks/performance/changes.py before.json
now.json` says what differs between two of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import iterations
import results
import runs
import schemes

PARTS = {**iterations.PARTS, **schemes.PARTS, **runs.PARTS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--repeats", type=int, default=7, help="measurements of each implementation")
    parser.add_argument("--peers", nargs="+", metavar="PEER", help="such as framework, products, jax; all if not given")
    parser.add_argument("--python", nargs="+", default=[], metavar="PEER=PATH", help="interpreter of a peer")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep what is measured, as JSON")
    options = parser.parse_args()
    options.pythons = dict(each.split("=", 1) for each in options.python)
    results.RESULTS.begin(machine(), options.repeats)
    print(results.RESULTS.machine)
    for name in options.only:
        print(f"\n## {name}: {PARTS[name].__doc__.splitlines()[0]}", flush=True)
        results.RESULTS.part = name
        PARTS[name](options)
        if options.out:
            results.RESULTS.save(options.out)


def machine() -> str:
    """What this machine is, and how busy."""
    found = Path("/proc/cpuinfo")
    lines = found.read_text().splitlines() if found.is_file() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    wide = " with AVX-512" if any("avx512f" in line for line in lines if line.startswith("flags")) else ""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{os.cpu_count()} cores, {model}{wide}; load {load} (1, 5, 15 minutes); Python {platform.python_version()}"


main()
