"""Randomness without a state: every draw is a function of the seed and of what it is for."""

from __future__ import annotations

import hashlib
from statistics import NormalDist

_NORMAL = NormalDist()


def draw(seed: int, *what: str | int) -> int:
    """63 random bits that belong to this seed and purpose and to no other."""
    text = "\0".join(str(part) for part in (seed, *what))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def uniform(seed: int, *what: str | int) -> float:
    """A number strictly between 0 and 1."""
    return ((draw(seed, *what) >> 11) + 0.5) / 2**52


def normal(seed: int, *what: str | int) -> float:
    """A number from the standard normal distribution."""
    return _NORMAL.inv_cdf(uniform(seed, *what))


def shuffled(items: list[str], seed: int, *what: str | int) -> list[str]:
    """The items in an order that depends on the seed, the purpose and the set of items, not on how they came."""
    return sorted(items, key=lambda item: (draw(seed, *what, item), item))
