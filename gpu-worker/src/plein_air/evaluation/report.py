"""`report.json`: bytes that depend on the measured figures alone."""

from __future__ import annotations

import json
import math
from typing import Any

from plein_air.evaluation.intervals import Measured

DIGITS = 9
"""Significant digits kept: more would differ between kinds of processor."""


def metric(measured: Measured) -> dict[str, Any]:
    """A metric's entry; a bound or estimate that is not a finite number is null."""
    return {
        "estimate": rounded(measured.estimate),
        "low": rounded(measured.low),
        "high": rounded(measured.high),
        "n": measured.n,
        "method": measured.method,
    }


def rounded(value: float | None) -> float | None:
    """A number with `DIGITS` significant digits; null for None, NaN and the infinities."""
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{float(value):.{DIGITS}g}")
    return 0.0 if short == 0 else short


def report_bytes(report: dict[str, Any]) -> bytes:
    """Sorted keys, every float rounded, no NaN."""
    return (json.dumps(_clean(report), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, float):
        return rounded(value)
    return value
