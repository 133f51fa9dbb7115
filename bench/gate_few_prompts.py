"""How often a bound over few prompts errs, for effects of prompts that are skewed: a nominal 2.5 %.

    python bench/gate_few_prompts.py [--rounds 4000]

A set of nine slices with 5 to 9 prompts each; the truth is 0, and a lower bound above it is an error. "wilder" is a slice
whose effects vary four times as much as those of all others.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

from plein_air.evaluation.intervals import few_prompts_mean, prompt_variance

SIZES = (5, 6, 7, 8, 9, 5, 6, 7, 8)
CONFIDENCE = 0.975
EFFECTS = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "exponential": lambda rng, n: 1 - rng.exponential(1, n),
    "log-normal": lambda rng, n: np.exp(0.5) - np.exp(rng.normal(0, 1, n)),
    "15 % terrible": lambda rng, n: np.where(rng.random(n) < 0.15, -1.0, 0.15 / 0.85) + rng.normal(0, 0.15, n),
}


def main() -> None:
    """Prints a line for each kind of effects, with the error by prompts in the slice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4000)
    rounds = parser.parse_args().rounds
    part = np.repeat(np.arange(len(SIZES)), SIZES)
    prompts = np.arange(len(part))
    for name, effects in EFFECTS.items():
        rng = np.random.default_rng(0)
        for wilder in (False, True):
            wrong = np.zeros(len(SIZES))
            for _ in range(rounds):
                values = effects(rng, len(part))
                if wilder:
                    values[part == 0] *= 4
                pooled = prompt_variance(values, prompts, part)
                for place, size in enumerate(SIZES):
                    low = few_prompts_mean(values[part == place], np.arange(size), pooled, CONFIDENCE, "").low
                    wrong[place] += low is not None and low > 0
            shown = wrong[:1] if wilder else wrong[:5]
            rates = ", ".join(f"{size} prompts {count / rounds:.1%}" for size, count in zip(SIZES, shown, strict=False))
            print(f"{name}{', the slice wilder' if wilder else ''}: {rates}", flush=True)


if __name__ == "__main__":
    main()
