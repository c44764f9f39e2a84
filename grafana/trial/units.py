"""Units: numbers as a board shows them.

In: a value, the unit and decimals of a panel. Out: a short text. Never: more than four characters of digits where fewer say as much.
"""

from __future__ import annotations

import math

_SECONDS = ((86400 * 2, 86400, "d"), (3600 * 2, 3600, "h"), (120, 60, "min"), (1, 1, "s"), (1e-3, 1e-3, "ms"), (0, 1e-6, "µs"))
_BYTES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))


def shown(value: float, unit: str, decimals: int | None = None) -> str:
    if not math.isfinite(value):
        return "—"
    if unit == "percentunit":
        return f"{_number(value * 100, decimals)} %"
    if unit == "s":
        return _seconds(value, decimals)
    if unit in ("bytes", "Bps"):
        size, name = next(((size, name) for size, name in _BYTES if abs(value) >= size), (1, "B"))
        return f"{_number(value / size, decimals)} {name}{'/s' if unit == 'Bps' else ''}"
    return _number(value, decimals) + (unit.removeprefix("suffix:") if unit.startswith("suffix:") else "")


def size_of(value: float, unit: str) -> float:
    """What the unit shows such a value in multiples of: round numbers of bytes are not round in decimals."""
    if unit not in ("bytes", "Bps"):
        return 1.0
    return next((size for size, _ in _BYTES if abs(value) >= size), 1)


def _seconds(value: float, decimals: int | None) -> str:
    if value == 0:
        return "0 s"
    _, size, name = next(step for step in _SECONDS if abs(value) >= step[0])
    return f"{_number(value / size, decimals)} {name}"


def _number(value: float, decimals: int | None) -> str:
    if abs(value) >= 1e5:
        return f"{value / 1e3:,.0f} K"
    if decimals is None:
        decimals = 0 if abs(value) >= 100 or value == round(value) else 1 if abs(value) >= 10 else 2
        return f"{value:,.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:,.0f}"
    return f"{value:,.{decimals}f}"
