"""Durations and sizes as text."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """One that was measured: `3.2 s`, `2 min 5 s`, `1 h 40 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def rough_duration(seconds: float) -> str:
    """One that is estimated: `3 minutes`."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 1.5 else "a second"


def in_bytes(number: float) -> str:
    """Such as `1.2 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 999.5:  # of three digits
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB" if number < 999.5 else f"{number:,.0f} TB"
