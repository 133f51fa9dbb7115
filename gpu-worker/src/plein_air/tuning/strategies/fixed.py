"""The default, every time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plein_air.tuning.ask import Ask


@dataclass(frozen=True)
class Options:
    """None."""


def suggest(ask: Ask, options: Options) -> dict[str, Any] | None:
    """The default's values."""
    del options
    return {name: ask.space.defaults[name] for name in ask.space.dimensions if name in ask.space.defaults}
