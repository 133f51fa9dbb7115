"""From the wire's camelCase objects to frozen dataclasses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


def decode(kind: type[T], wire: Mapping[str, Any]) -> T:
    """A dataclass from an object that the schema has already accepted; nested dataclasses are decoded too."""
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in fields(kind):  # pyright: ignore[reportArgumentType]
        value = wire[camel(field.name)]
        hint = hints[field.name]
        if isinstance(hint, type) and is_dataclass(hint):
            value = decode(hint, value)
        values[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def camel(name: str) -> str:
    """`learning_rate` as the wire calls it: `learningRate`."""
    return re.sub(r"_([a-z0-9])", lambda match: match.group(1).upper(), name)
