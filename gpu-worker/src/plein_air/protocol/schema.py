"""Checks requests against the JSON Schema that is generated from the zod definitions."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from plein_air.errors import TrainerError


@cache
def load_schema() -> dict[str, Any]:
    """The generated schema: `params` and `results` by verb, and `event`."""
    return json.loads(files("plein_air.protocol").joinpath("protocol.schema.json").read_text())


def check(schema: dict[str, Any], value: object) -> list[dict[str, str]]:
    """Every offending field with what is wrong with it; empty when the value fits."""
    from jsonschema import Draft202012Validator

    errors = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda error: list(map(str, error.path)))  # pyright: ignore[reportArgumentType]
    return [{"field": ".".join(map(str, error.path)) or "(params)", "problem": error.message} for error in errors]


def check_params(verb: str, params: object) -> dict[str, Any]:
    """The parameters of a request as they are, or InvalidInput that names every offending field."""
    problems = check(load_schema()["params"][verb], params)
    if problems or not isinstance(params, dict):
        listed = "; ".join(f"{p['field']}: {p['problem']}" for p in problems)
        raise TrainerError("InvalidInput", f"Expected parameters of `{verb}`, got: {listed}", {"problems": problems})
    return params
