"""A search space as data: distributions, and the conditions under which a dimension counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from plein_air.errors import TrainerError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Space:
    """Dimensions by name, in sorted order, and the value of each where it is not searched."""

    dimensions: Mapping[str, Mapping[str, Any]]
    defaults: Mapping[str, Any]

    @classmethod
    def of(cls, dimensions: Mapping[str, Mapping[str, Any]], defaults: Mapping[str, Any]) -> Space:
        """Sorts the dimensions, so that no suggestion depends on the order in which people wrote them."""
        return cls(dict(sorted(dimensions.items())), defaults)

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distribution of every dimension, whether its condition holds or not."""
        return {name: _distribution(name, spec) for name, spec in self.dimensions.items()}

    def active(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Of full values those of the dimensions whose conditions hold."""
        return {name: values[name] for name in self.dimensions if name in values and self._is_active(name, values)}

    def filled(self, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """A value of every dimension: a missing one stands at its default; None where one lies outside the space.

        Models then see one space of fixed size: a dimension without effect lies still, and costs them nothing.
        """
        full: dict[str, Any] = {}
        for name, distribution in self.distributions.items():
            value = parameters.get(name, self.resting(name))
            if not contains(distribution, value):
                return None
            full[name] = value
        return full

    def resting(self, name: str) -> Any:
        """Where a dimension stands while it has no effect: the default, or the middle if that lies outside."""
        distribution = self.distributions[name]
        default = self.defaults.get(name)
        if contains(distribution, default):
            return default
        spec = self.dimensions[name]
        if spec["kind"] == "categorical":
            return spec["choices"][0]
        low, high = spec["low"], spec["high"]
        middle = math.sqrt(low * high) if spec.get("log", False) else (low + high) / 2
        return round(middle) if spec["kind"] == "int" else middle

    def _is_active(self, name: str, values: Mapping[str, Any]) -> bool:
        condition = self.dimensions[name].get("when")
        if condition is None:
            return True
        field = condition["field"]
        return any(same(values.get(field), value) for value in condition["in"]) and self._is_active(field, values)


def same(a: Any, b: Any) -> bool:
    """Equality as JSON sees it: 1 and 1.0 are the same, 1 and true are not."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a value may come from a distribution."""
    from optuna.distributions import CategoricalDistribution

    if isinstance(distribution, CategoricalDistribution):
        return any(same(value, choice) for choice in distribution.choices)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return bool(distribution._contains(distribution.to_internal_repr(value)))  # pyright: ignore[reportPrivateUsage]


def _distribution(name: str, spec: Mapping[str, Any]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    kind = spec["kind"]
    if kind == "float":
        return FloatDistribution(spec["low"], spec["high"], log=spec.get("log", False))
    if kind == "int":
        return IntDistribution(spec["low"], spec["high"], log=spec.get("log", False))
    if kind == "categorical":
        return CategoricalDistribution(spec["choices"])
    raise TrainerError(
        "InvalidInput",
        f"Expected a dimension of kind float, int or categorical, got {kind!r} (tuning.space.{name}).",
        {"field": f"space.{name}"},
    )
