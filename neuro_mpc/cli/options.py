"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from neuro_mpc.cli.completion import circuits, protocols, settings

CircuitName = Annotated[
    str, typer.Argument(metavar="CIRCUIT", help="A name (see `list`) or a path.", autocompletion=circuits)
]
ProtocolName = Annotated[
    str, typer.Argument(metavar="PROTOCOL", help="A name (see `list`) or a path.", autocompletion=protocols)
]

FirstName = Annotated[
    str,
    typer.Argument(
        metavar="CIRCUIT", help="A name (see `list`) or a path; left out with --from.", autocompletion=circuits
    ),
]
SecondName = Annotated[
    str | None,
    typer.Argument(
        metavar="PROTOCOL", help="A name (see `list`) or a path.", show_default=False, autocompletion=protocols
    ),
]
Start = Annotated[
    Path | None,
    typer.Option("--from", metavar="RUN", help="Start from the circuit that this run file has learned."),
]
StartAt = Annotated[
    int | None,
    typer.Option("--from-presentation", metavar="K", min=0, help="Its snapshot after K; by default the last one."),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, show_default=False, help="The same seed gives the same run; by default 0, or that of --from."),
]
Backend = Annotated[Literal["cpp", "cython", "numpy"], typer.Option(help="cpp and cython need a C++ compiler.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the matrix products.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes that share the trials of each batch.")]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Of a dask scheduler: its workers are these processes.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Such as circuit.population.hidden.size=50.", autocompletion=settings
    ),
]
