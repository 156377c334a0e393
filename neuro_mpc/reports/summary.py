"""A run in a few lines, for a prompt and for a notebook."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import xarray as xr

from neuro_mpc.reports import described, experiments, notebook, results
from neuro_mpc.reports.columns import columns
from neuro_mpc.runfile import access
from neuro_mpc.runfile.reading import as_run

Table = tuple[str, list[str], list[list[str]]]


@dataclass(frozen=True, repr=False)
class Summary:
    """What a run was, what it found, and what it recorded; shown as text, and in notebooks as tables.

    title    circuit and protocol, and whether the run is complete
    tables   (caption, head, rows)
    """

    title: str
    tables: tuple[Table, ...]

    def __repr__(self) -> str:
        return "\n\n".join([self.title, *(_as_text(*each) for each in self.tables)])

    def _repr_html_(self) -> str:
        return notebook.page("Run", self.title, "", [notebook.table(*each) for each in self.tables])


def summary(run: xr.DataTree | str | os.PathLike[str]) -> Summary:
    """A run at a glance: results, synapses, what is recorded, and what it was made with.

    Parameters
    ----------
    run : xarray.DataTree, str or path
        What `simulate` returns, an opened run, or its file. The tree itself shows every variable.

    Returns
    -------
    Summary
        Printed as text; notebooks show tables.

    Raises
    ------
    RunFileError
        The run holds no circuit and protocol that can be read.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> with nm.open_run("run.nc") as run:
    ...     text = str(nm.summary(run))
    >>> print(text.splitlines()[0])
    mpl on toy-language
    """
    with as_run(run) as tree:
        return _summed_up(tree)


def _summed_up(run: xr.DataTree) -> Summary:
    names = [str(access.describe(run, kind).get("name", kind)) for kind in ("circuit", "protocol")]
    state = "" if run.attrs.get("complete") else ", not complete"
    head, rows = results.variability(run)
    tables = [
        ("Results", ["", ""], [list(pair) for pair in results.results(run)]),
        *experiments.tables(run),
        ("Synapses after learning", head, rows),
        ("Recorded", ["group", "dimensions", "variables"], _recorded(run)),
        ("Made with", ["", ""], [list(pair) for pair in described.provenance(run)]),
    ]
    return Summary(" on ".join(names) + state, tuple(table for table in tables if table[2]))


def _recorded(run: xr.DataTree) -> list[list[str]]:
    """Groups with the names of their variables and the sizes of their dimensions."""
    nodes = [node for node in run.subtree if node.data_vars]
    return [
        [
            node.path,
            ", ".join(f"{size:,} {name}" for name, size in node.sizes.items()),
            ", ".join(map(str, node.data_vars)),
        ]
        for node in nodes
    ]


def _as_text(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of even width below a caption."""
    return "\n".join([caption, *(f"  {line}" for line in columns(head, rows))])
