"""Where the BLAS of the generated C++ lies (package scipy-openblas32)."""

from __future__ import annotations

from importlib.metadata import version


def compiler_keywords() -> dict[str, list[str]]:
    """Include and library folders, for a Brian2 C++ standalone code object."""
    import scipy_openblas32

    library_dir = scipy_openblas32.get_lib_dir()
    return {
        "include_dirs": [scipy_openblas32.get_include_dir()],
        "library_dirs": [library_dir],
        "runtime_library_dirs": [library_dir],
        "libraries": [scipy_openblas32.get_library()],
    }


def package() -> str:
    """The package that brings it, with its version."""
    return f"scipy-openblas32 {version('scipy-openblas32')}"
