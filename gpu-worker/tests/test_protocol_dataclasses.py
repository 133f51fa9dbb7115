"""The trainer's dataclasses are the protocol's objects, field by field: a setting that one side lacks is seen here."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from plein_air.exporting.export import ExportParams
from plein_air.exporting.whole import FuseParams
from plein_air.protocol.decode import camel
from plein_air.protocol.schema import load_schema
from plein_air.training.settings import TrainParams

DECODED: dict[str, type] = {"train": TrainParams, "export": ExportParams, "fuse": FuseParams}
PRIMITIVES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def differences(hint: Any, schema: dict[str, Any], where: str) -> list[str]:
    """Where a Python type and a JSON schema do not mean the same values."""
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        names = {camel(field.name): hints[field.name] for field in fields(hint)}
        wire = schema.get("properties", {})
        odd = [f"{where}.{name} is on one side only" for name in sorted(names.keys() ^ wire.keys())]
        return odd + [
            text
            for name in names.keys() & wire.keys()
            for text in differences(names[name], wire[name], f"{where}.{name}")
        ]
    if get_origin(hint) is Literal:
        wanted = schema.get("enum", [schema["const"]] if "const" in schema else [])
        return [] if set(get_args(hint)) == set(wanted) else [f"{where}: {get_args(hint)} and {wanted}"]
    if get_origin(hint) in (Union, types.UnionType):
        inner = [kind for kind in get_args(hint) if kind is not type(None)]
        options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
        if len(inner) != 1 or len(options) != 1:
            return [f"{where}: {hint} and {schema}"]
        return differences(inner[0], options[0], where)
    if get_origin(hint) is tuple:
        return differences(get_args(hint)[0], schema.get("items", {}), f"{where}[]")
    return [] if PRIMITIVES.get(hint) == schema.get("type") else [f"{where}: {hint} and {schema}"]


@pytest.mark.parametrize("verb", DECODED)
def test_a_dataclass_has_the_fields_and_values_of_the_protocol(verb: str) -> None:
    assert differences(DECODED[verb], load_schema()["params"][verb], verb) == []


def test_a_member_that_one_side_lacks_is_found() -> None:
    schema = load_schema()["params"]["train"]
    schedule = schema["properties"]["training"]["properties"]["schedule"]
    longer = {
        **schema["properties"]["training"]["properties"],
        "schedule": {**schedule, "enum": [*schedule["enum"], "new"]},
    }
    changed = {**schema, "properties": {**schema["properties"], "training": {"properties": longer}}}
    assert [text.split(":")[0] for text in differences(TrainParams, changed, "train")] == ["train.training.schedule"]
