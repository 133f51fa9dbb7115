"""Finding a strategy or pruner by its name: the module of that name in its package, with the options that it declares."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import fields
from types import ModuleType
from typing import Any

from plein_air.errors import TrainerError


def names(package: ModuleType) -> list[str]:
    """Every name that may be asked for."""
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def open_named(package: ModuleType, name: str, options: Mapping[str, Any], field: str) -> tuple[ModuleType, Any]:
    """The module and its options as its own `Options`; names and options that it does not have are `InvalidInput`."""
    if name not in names(package):
        raise TrainerError(
            "InvalidInput",
            f"Expected one of {', '.join(names(package))}, got {name!r} (tuning.{field}).",
            {"field": field},
        )
    module = importlib.import_module(f"{package.__name__}.{name}")
    known = {_camel(f.name): f.name for f in fields(module.Options)}
    strange = sorted(options.keys() - known.keys())
    if strange:
        raise TrainerError(
            "InvalidInput",
            f"Expected options of {name} among {', '.join(known) or 'none'}, got {', '.join(strange)} "
            f"(tuning.{field}Options).",
            {"field": f"{field}Options"},
        )
    return module, module.Options(**{known[key]: value for key, value in options.items()})


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
