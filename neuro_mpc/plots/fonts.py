"""Fonts for the scripts of the world: the usual one first, then those of the system that have what it lacks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from unicodedata import category

import xarray as xr
from matplotlib.font_manager import FontEntry, findSystemFonts, fontManager
from matplotlib.ft2font import FT2Font

from neuro_mpc.errors import RunFileError, did_you_mean
from neuro_mpc.runfile import access

USUAL = ("Arial", "Helvetica", "Liberation Sans", "DejaVu Sans")
PREFERRED = ("Noto Sans", "Noto", "DejaVu")
OF_MATHEMATICS = ("cm", "STIX", "Last Resort")  # come with matplotlib; have characters in other places, or boxes
WITHOUT_INK = ("Cc", "Cf", "Cs")  # categories of Unicode: control, format, surrogate
REGULAR = 400
EXAMPLES = 5  # characters named in a warning


def families(characters: Iterable[str], font: str | None = None) -> list[str]:
    """Families that together have the `characters`, in the order in which matplotlib asks them.

    font: one that comes first; RunFileError where the system does not have it.
    A warning names characters that no font has.
    """
    chosen = [_known(font)] if font else []
    chosen += [next(name for name in USUAL if name in _names()), "DejaVu Sans"]
    lacking = {sign for sign in characters if not sign.isspace() and category(sign) not in WITHOUT_INK}
    for name in chosen:
        lacking -= _characters(_path(name))
    if lacking:
        _find_new_fonts()
        candidates = sorted((entry for entry in fontManager.ttflist if _is_regular(entry)), key=_preference)
        for entry in candidates:
            if lacking and (covered := lacking & _characters(entry.fname)):
                chosen.append(entry.name)
                lacking -= covered
    if lacking:
        warnings.warn(_message(lacking), stacklevel=2)
    return list(dict.fromkeys(chosen))


def characters_of(run: xr.DataTree) -> set[str]:
    """The characters that figures of a run may show: those of its symbols and of its circuit."""
    texts = [node.attrs.get("symbols", "") for node in run.subtree]
    with suppress(RunFileError):
        texts += access.symbols(run)
    return set("".join(map(str, [*texts, run.attrs.get("circuit", "")])))


@contextmanager
def without_weight_warnings() -> Iterator[None]:
    """A font for another script has no bold face as a rule; matplotlib logs that at each text."""
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _names() -> set[str]:
    return {entry.name for entry in fontManager.ttflist}


def _known(font: str) -> str:
    if font not in _names():
        _find_new_fonts()
    if font not in _names():
        hint = did_you_mean(font, _names()) or "fc-list : family"
        raise RunFileError(f"there is no font {font!r} on this system", hint=hint)
    return font


def _path(name: str) -> str:
    regular = [entry for entry in fontManager.ttflist if entry.name == name and _is_regular(entry)]
    return (regular or [entry for entry in fontManager.ttflist if entry.name == name])[0].fname


def _is_regular(entry: FontEntry) -> bool:
    return entry.style == "normal" and entry.weight == REGULAR and not entry.name.startswith(OF_MATHEMATICS)


def _preference(entry: FontEntry) -> tuple[int, str]:
    ranks = (rank for rank, name in enumerate(PREFERRED) if entry.name.startswith(name))
    return next(ranks, len(PREFERRED)), entry.name


@cache
def _characters(path: str) -> frozenset[str]:
    """What a font has; nothing where matplotlib cannot read it or scale it, as some of coloured pictures."""
    try:
        font = FT2Font(path)
        return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()
    except (OSError, RuntimeError, ValueError):
        return frozenset()


@cache
def _find_new_fonts() -> None:
    """Matplotlib remembers the fonts that it has found once; those installed since are added."""
    known = {entry.fname for entry in fontManager.ttflist}
    for path in sorted(set(findSystemFonts()) - known):
        try:
            fontManager.addfont(path)
        except (OSError, RuntimeError, ValueError):
            continue


def _message(lacking: set[str]) -> str:
    examples = " ".join(sorted(lacking)[:EXAMPLES])
    more = f" and {len(lacking) - EXAMPLES} more" if len(lacking) > EXAMPLES else ""
    return (
        f"no font of this system covers {examples}{more}: they are drawn as boxes; install one that does, "
        "such as Noto Sans of their script"
    )
