"""Families of base models, a folder each; `open_base` finds the one that a base belongs to."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from plein_air.devices import prepare_torch
from plein_air.errors import TrainerError
from plein_air.families.family import Base, Family
from plein_air.loading import LoadOptions
from plein_air.session import loaded_components

FAMILIES = {"FluxPipeline": "flux1"}
"""Name of the family, a package in this folder, by the `_class_name` of a base's model_index.json."""


def open_base(path: str, options: LoadOptions) -> Base:
    """The session's base in this folder, in diffusers' layout; a later request finds its components loaded.

    Raises:
        TrainerError: `InvalidInput` for a folder without model_index.json, or of a class that no family knows.
    """
    index = Path(path) / "model_index.json"
    if not index.is_file():
        raise TrainerError(
            "InvalidInput",
            f"Expected a pipeline in diffusers' layout at base, got no model_index.json in {path}: "
            "download the base model there first.",
            {"field": "base", "path": path},
        )
    kind = _class_name(index)
    if kind not in FAMILIES:
        raise TrainerError(
            "InvalidInput",
            f"Expected a base of class {' or '.join(FAMILIES)}, got {kind!r} in {index}: choose another base.repo.",
            {"field": "base.repo", "class": kind},
        )
    components = loaded_components(str(Path(path).resolve()))
    return named(FAMILIES[kind]).open_base(Path(path), options, prepare_torch(), components)


def named(family: str) -> Family:
    """A family's package by its name, as a checkpoint's fingerprint has it; `InvalidInput` for any other name."""
    if family not in FAMILIES.values():
        known = ", ".join(FAMILIES.values())
        raise TrainerError("InvalidInput", f"Expected a family that this trainer knows ({known}), got {family!r}.")
    module: Any = import_module(f"plein_air.families.{family}")
    return module


def _class_name(index: Path) -> str | None:
    try:
        return json.loads(index.read_text())["_class_name"]
    except (ValueError, KeyError, TypeError):
        return None
