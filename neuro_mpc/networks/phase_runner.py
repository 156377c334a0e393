"""A Brian2 extension: one code object that interleaves dense matrix products with Brian2 code over rows.

Brian2 has no connection whose weights are shared by many copies of a neuron, which a circuit unrolled over steps and
trials needs.  A `PhaseRunner` closes that gap for the NumPy, Cython and C++ standalone targets: products with weights
read them packed (`packed_products.h`; with NumPy, transposed or as they are), sums over rows are computed in place
(`row_sums.h`, both in `templates/cpp`) or by BLAS, every element-wise equation is an ordinary block of Brian2 abstract
code, and all work on one tile of trials after the other (`neuro_mpc.networks.operations`).
"""

from __future__ import annotations

from collections.abc import Set
from copy import copy
from pathlib import Path
from typing import Any, cast

import numpy as np
from brian2 import get_device
from brian2.codegen.codeobject import CodeObject
from brian2.codegen.generators import CPPCodeGenerator, CythonCodeGenerator, NumpyCodeGenerator
from brian2.codegen.generators.base import CodeGenerator
from brian2.codegen.runtime.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.codegen.translation import STANDARD_IDENTIFIERS, make_statements
from brian2.core.clocks import Clock
from brian2.core.variables import ArrayVariable, Variables
from brian2.devices import Device
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.groups.group import CodeRunner, Group
from brian2.parsing.statements import parse_statement
from brian2.utils.stringtools import get_identifiers, word_substitute

from neuro_mpc.networks import blas
from neuro_mpc.networks.printers import CPPPrinter, CythonPrinter, NumpyPrinter
from neuro_mpc.networks.rows import Tiling, Visit
from neuro_mpc.networks.sections import Section
from neuro_mpc.networks.statements import kernels, names

TEMPLATES = Path(__file__).parent / "templates"
HEADERS = str(TEMPLATES / "cpp")


class BlockByBlock(CodeGenerator):
    """Translates each block of a phase with the variables that it names.

    Brian2 would look at all those of the phase for each, and remember them for as long as the process lives: time and
    memory would grow as the square of the number of populations. Blocks are of rows, in which no element comes twice,
    so that there is no order to be checked.
    """

    def translate(self, code: dict[str, str], dtype: type) -> tuple:
        scalar, vector = {}, {}
        for block, abstract in code.items():
            named = {name: self.variables[name] for name in get_identifiers(abstract) & self.variables.keys()}
            scalar[block], vector[block] = make_statements(abstract, named, dtype, optimise=True, blockname=block)
        return self.translate_statement_sequence(scalar, vector)


class NumpyBlocks(BlockByBlock, NumpyCodeGenerator):
    """Blocks in NumPy."""


class CythonBlocks(BlockByBlock, CythonCodeGenerator):
    """Blocks in Cython."""


class CPPBlocks(BlockByBlock, CPPCodeGenerator):
    """Blocks in C++."""


class NumpyPhaseCodeObject(NumpyCodeObject):
    """A phase in NumPy."""

    generator_class = NumpyBlocks
    printer = NumpyPrinter
    templater = NumpyCodeObject.templater.derive("neuro_mpc.networks", templates_dir="templates/numpy")

    def variables_to_namespace(self) -> None:
        super().variables_to_namespace()
        if "floor" in self.variables:  # Brian2's own makes integers of 32 bits of its values
            self.namespace["floor"] = np.floor


class CythonPhaseCodeObject(CythonCodeObject):
    """A phase in Cython, with the kernels of the C++ phase, and the BLAS that SciPy exports to Cython."""

    generator_class = CythonBlocks
    printer = CythonPrinter
    templater = CythonCodeObject.templater.derive("neuro_mpc.networks", templates_dir="templates/cython")

    def __init__(self, *args, **kwds):
        super().__init__(*args, **kwds)
        self.include_dirs.append(HEADERS)  # Brian2 leaves out those that its own keyword names


class CPPPhaseCodeObject(CPPStandaloneCodeObject):
    """A phase in C++ standalone, linked to the OpenBLAS of the package scipy-openblas32."""

    generator_class = CPPBlocks
    printer = CPPPrinter
    templater = CPPStandaloneCodeObject.templater.derive("neuro_mpc.networks", templates_dir="templates/cpp")

    def __init__(self, *args, compiler_kwds, **kwds):
        libraries = blas.compiler_keywords()
        libraries["include_dirs"] = [*libraries["include_dirs"], HEADERS]
        merged = {key: [*compiler_kwds.get(key, []), *libraries.get(key, [])] for key in {*compiler_kwds, *libraries}}
        super().__init__(*args, compiler_kwds=merged, **kwds)


def code_object_class(target: str) -> type:
    """The code object class of phases for "numpy", "cython" or "cpp"."""
    return {"numpy": NumpyPhaseCodeObject, "cython": CythonPhaseCodeObject, "cpp": CPPPhaseCodeObject}[target]


def references(owner: Group, groups, wanted: Set[str]) -> Variables:
    """Those array variables of all groups that are wanted as ``<group>_<variable>``, indexed by ``_idx``.

    Brian2 looks at each of them again for every block of code.
    """
    variables = Variables(owner)
    for group in groups:
        for name in own_arrays(group):
            if (known_as := f"{group.name}_{name}") in wanted:
                variables.add_reference(known_as, group, name, index="_idx")
    return variables


def own_arrays(group: Group) -> list[str]:
    """Names of the variables that a group stores itself, one value per element."""
    return [
        name
        for name, variable in group.variables.items()
        if isinstance(variable, ArrayVariable) and not variable.scalar and _owner(variable) == group.name
    ]


def _owner(variable: ArrayVariable) -> str:
    """The name of the group that stores a variable."""
    return cast(Group, variable.owner).name


def _taken(block: str, known: Set[str]) -> set[str]:
    """The names that a block of abstract code takes from outside: all but those of its own temporary variables."""
    assigned = {parse_statement(line)[0] for line in block.splitlines() if line.strip()}
    return get_identifiers(block) - (assigned - known) - STANDARD_IDENTIFIERS


class PhaseRunner(CodeRunner):
    """Execute sections of operations once per time step of its clock, if the scalar `condition` is not zero.

    Parameters
    ----------
    owner : Group
        Holds the scalar variables that control the phase, and the namespace of functions.
    sections : sequence of Section
    blocks : dict
        Name of each block of abstract code → its parts, (group, code); names in the code are the group's own.
    passing : set
        (block, variable) pairs: the variable, by its name in the phase, is not stored by the block.
    groups : sequence of Group
        All groups whose arrays the operations name as ``<group>_<variable>``.
    tiling : Tiling
    steps : int
        Number of sequence steps that the loops "forward" and "backward" visit.
    """

    def __init__(
        self,
        owner: Group,
        sections: tuple[Section, ...],
        blocks: dict[str, list[tuple[Group, str]]],
        groups,
        *,
        passing: set[tuple[str, str]],
        condition: str,
        tiling: Tiling,
        steps: int,
        target: str,
        name: str,
        clock: Clock,
        order: int = 0,
        parallel: bool = True,
    ):
        abstract = {block: "\n".join(self._in_phase_names(*part) for part in parts) for block, parts in blocks.items()}
        for block, variable in passing:  # Brian2 takes a name that it does not know for a temporary variable
            abstract[block] = word_substitute(abstract[block], {variable: f"{variable}_passing"})
        visit = Visit(tiling.trials, steps)
        statements = [statement for section in sections for statement in section.lower(visit)]
        used = names(statements)
        self.variables = references(owner, groups, used.union(*map(get_identifiers, abstract.values())))
        code_object = code_object_class(target)
        CodeRunner.__init__(
            self,
            owner,
            "phase",
            code=abstract or {"nothing": ""},  # pyright: ignore[reportArgumentType]  # one for each block
            clock=clock,
            order=order,
            name=name,
            check_units=False,
            needed_variables=sorted(used | {condition, "idle_trials"}),
            codeobj_class=code_object,
            template_kwds={
                "statements": statements,
                "kernels": kernels(statements),
                "printer": code_object.printer,
                "condition": condition,
                "tiling": tiling,
                "parallel": parallel,
            },
        )

    def create_default_code_object(self, run_namespace) -> CodeObject:
        """As Brian2 makes it, which would parse all blocks twice to find out which names they take from outside."""
        code_object, code = cast(Any, self.codeobj_class), cast(dict[str, str], self.abstract_code)
        template = getattr(code_object.templater, self.template)
        known = {*self.group.variables, *self.variables}
        taken = set().union(*(_taken(block, known) for block in code.values()))
        variables = self.group.resolve_all(
            sorted({*taken, *self.needed_variables, *template.variables}),
            user_identifiers=set(),
            additional_variables=self.variables,
            run_namespace=run_namespace,
        )
        indices = copy(self.group.variables.indices)  # with one for names that it does not have
        indices.update(self.variables.indices)
        self.codeobj = cast(Device, get_device()).code_object(
            owner=self.group,
            name=f"{self.name}_codeobject*",
            abstract_code=code,
            variables=variables,
            template_name=self.template,
            variable_indices=indices,
            template_kwds=self.template_kwds,
            codeobj_class=code_object,
        )
        return self.codeobj

    def _in_phase_names(self, group: Group, code: str) -> str:
        names = {}
        for identifier in get_identifiers(code):
            variable = group.variables.get(identifier)
            if isinstance(variable, ArrayVariable) and not variable.scalar:
                names[identifier] = f"{_owner(variable)}_{variable.name}"
        return word_substitute(code, names)


class MessageLoop(CodeRunner):
    """At the start of every time step of a C++ standalone program, do what the other side asks for.

    The named variables can be set and read through the program's standard input and output
    (`neuro_mpc.networks.program`) until the other side asks for the next step or closes the pipe.
    """

    def __init__(self, owner: Group, groups, names: list[str], codes: dict[str, int], name: str, clock: Clock):
        self.variables = references(owner, groups, set(names))
        CodeRunner.__init__(
            self,
            owner,
            "messages",
            code="",
            clock=clock,
            order=-1,
            name=name,
            check_units=False,
            needed_variables=names,
            codeobj_class=CPPPhaseCodeObject,
            template_kwds={"names": names, "codes": codes},
        )
