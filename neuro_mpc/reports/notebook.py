"""Circuits and protocols as notebooks show them: compact tables in HTML, in the colours of the notebook."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.descriptions.tables import OpenTable, Table
from neuro_mpc.errors import DescriptionError
from neuro_mpc.reports import described

CELL = "text-align: left; padding: 1px 12px 1px 0; border: none; font-weight: normal"
HEAD = f"{CELL}; opacity: .6"
ROW = "background: none"
FAINT = "opacity: .45"
SIDE_BY_SIDE = "display: flex; flex-wrap: wrap; gap: 4px 28px; align-items: flex-start"


def of_circuit(circuit: Circuit) -> str:
    """Its drawing, populations, projections and the synapse types that it uses."""
    tables = [table(caption, head, rows) for caption, head, rows in described.circuit_tables(circuit.tables())]
    return page("Circuit", circuit.name, circuit.description, [drawing(circuit), *tables])


def drawing(circuit: Circuit) -> str:
    """A circuit as a picture that names what is connected; "" where there is too much of it to draw."""
    from neuro_mpc.plots import circuit as drawn  # matplotlib takes a second to import

    try:
        svg = drawn.as_svg(circuit)
    except DescriptionError:
        return ""
    edges = (f"{projection.source} to {projection.target}" for projection in circuit.projection.values())
    words = escape(f"Drawing of the circuit {circuit.name}: {', '.join(edges)}")
    data = base64.b64encode(svg.encode()).decode("ascii")
    return f'<div><img src="data:image/svg+xml;base64,{data}" alt="{words}" style="max-width: 100%"/></div>'


def of_protocol(protocol: Protocol | ExperimentProtocol) -> str:
    """A table for each section; what is at its default is faint."""
    sections = {key: value for key, value in vars(protocol).items() if isinstance(value, Table)}
    alone = [key for key in vars(protocol) if key not in {"name", "description", *sections}]
    parts = [_section("protocol", protocol, alone)]
    parts += [_section(key, section, list(vars(section))) for key, section in sections.items()]
    return page("Protocol", protocol.name, protocol.description, parts)


def _section(caption: str, section: Table, keys: Iterable[str]) -> str:
    rows = []
    for key in keys:
        value = getattr(section, key)
        if value is None or value == {}:
            continue
        shown = described.in_a_line(value.tables() if isinstance(value, Table) else value)
        rows.append((key, shown, FAINT if is_default(section, key) else ""))
    cells = "".join(
        f'<tr style="{ROW}; {style}"><th style="{CELL}">{escape(key)}</th><td style="{CELL}">{escape(shown)}</td></tr>'
        for key, shown, style in rows
    )
    return _captioned(caption, cells) if cells else ""


def is_default(section: Table, key: str) -> bool:
    """Whether a key has the value that it has where it is left out; what chooses the form of a table has none."""
    if isinstance(section, OpenTable) and key == section.tag:
        return False
    field = type(section).model_fields[key]
    return not field.is_required() and getattr(section, key) == field.get_default(call_default_factory=True)


def page(kind: str, name: str, description: str, parts: Sequence[str]) -> str:
    """A title above tables that stand side by side."""
    about = f'<span style="opacity: .6"> {escape(description)}</span>' if description else ""
    title = f"<div><strong>{escape(kind)} {escape(name)}</strong>{about}</div>"
    return f'<div>{title}<div style="{SIDE_BY_SIDE}">{"".join(parts)}</div></div>'


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a caption; columns without any text are left out; "" where there are no rows."""
    rows = [list(row) for row in rows]
    kept = [column for column in range(len(head)) if any(row[column] for row in rows)]
    names = "".join(f'<th style="{HEAD}">{escape(head[column])}</th>' for column in kept)
    top = f'<tr style="{ROW}">{names}</tr>' if any(head) else ""
    body = "".join(
        f'<tr style="{ROW}">' + "".join(f'<td style="{CELL}">{escape(row[column])}</td>' for column in kept) + "</tr>"
        for row in rows
    )
    return _captioned(caption, f"{top}{body}") if rows else ""


def _captioned(caption: str, rows: str) -> str:
    words = f'<div style="margin-top: 6px"><em>{escape(caption)}</em></div>' if caption else ""
    return f'<div>{words}<table style="margin: 0">{rows}</table></div>'
