"""A directive that prints what the rules derive from a circuit, as `neuro-mpc show --latex` does.

    ```{equations} mpl
    :sections: Free energy, Population hidden
    :set: population.hidden.activation="tanh(r)"
    :code:
    ```

The argument is a shipped circuit. `sections` selects by title, all of them by default; `set` changes keys of the
circuit, separated by semicolons; `code` adds the equations that Brian2 is given.
"""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import neuro_mpc as nm
from neuro_mpc.descriptions.loading import parse_settings
from neuro_mpc.rules.equations import sections
from neuro_mpc.rules.notation import Latex
from neuro_mpc.rules.show import aligned
from neuro_mpc.rules.symbols import Code, Section


class Equations(SphinxDirective):
    """The equations of a circuit, section by section."""

    required_arguments = 1
    option_spec = {"sections": directives.unchanged, "set": directives.unchanged, "code": directives.flag}

    def run(self) -> list[nodes.Node]:
        settings = [f"circuit.{setting}" for setting in _parts(self.options.get("set", ""), ";")]
        circuit = nm.load_circuit(self.arguments[0], parse_settings(settings)[0])
        derived = {section.title: section for section in sections(circuit, Latex())}
        wanted = _parts(self.options.get("sections", ""), ",") or list(derived)
        if unknown := set(wanted) - set(derived):
            raise self.error(f"{circuit.name} has no section {unknown}; it has {', '.join(derived)}")
        return [node for title in wanted for node in self._printed(derived[title])]

    def _printed(self, section: Section) -> list[nodes.Node]:
        words = f" ({section.words})" if section.words else ""
        title = nodes.paragraph("", "", nodes.strong(text=section.title), nodes.Text(words), classes=["derived"])
        tex = aligned(section)
        equations = nodes.math_block(tex, tex, nowrap=True, number=None, label=None)
        self.set_source_info(equations)
        return [title, equations, *(self._listed(code) for code in section.code if "code" in self.options)]

    def _listed(self, code: Code) -> nodes.Node:
        text = "\n".join([f"# {code.title}", *(line for line, _, _ in code.lines)])
        return nodes.literal_block(text, text, language="none")


def _parts(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("equations", Equations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
