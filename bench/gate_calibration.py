"""How often the default gate errs, on real features of generated pictures whose truth is known.

    python bench/gate_calibration.py STYLE_SET OTHER_SET [--rounds 300]

Both sets are folders of `writeTrainingSet` (src/wikiart/generated/training-set.ts): pictures of the wanted style, and of
every other style. A model is played by drawing its 64 pictures (16 prompts x 4 seeds) from a pool.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

from plein_air.evaluation.copying import closeness_limit, copying_rate, find_nearest
from plein_air.evaluation.diversity import vendi_ratio, within_prompt_ratio
from plein_air.evaluation.features import open_encoder
from plein_air.evaluation.intervals import Floats, Measured, clustered_mean
from plein_air.evaluation.set_distances import kid_kernel, measure_distances
from plein_air.evaluation.style import StyleMap

SIDE = 128
PROMPTS = np.arange(64) // 4
CONFIDENCE = 0.95
RULES = {
    "kid.improvement": ("above", 0.0),
    "style.marginGain": ("above", 0.0),
    "diversity.vendi": ("above", 0.35),
    "diversity.withinPrompt": ("above", 0.3),
    "copying.close": ("below", 0.3),
}
"""Those of `efficientnet-lite0` in src/domain/gate-rules.ts."""


def main() -> None:
    """Prints one line a kind of model: how often it passes, and how often each rule fails it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("style", type=Path)
    parser.add_argument("others", type=Path)
    parser.add_argument("--rounds", type=int, default=300)
    asked = parser.parse_args()
    encoder = open_encoder("efficientnet-lite0", SIDE)
    wanted, _ = read(asked.style)
    others, styles = read(asked.others)
    kept = np.random.default_rng(0).permutation(len(others))[: 27 * 24]
    style, blurred = (
        encoder.features(list(wanted)),
        encoder.features([blur(p) for p in wanted]),
    )
    mixed, names = encoder.features([others[i] for i in kept]), np.array(styles)[kept]
    train, unseen, new, new_blurred = (
        style[:120],
        style[120:160],
        style[160:],
        blurred[160:],
    )
    neighbours = {
        str(n): mixed[names == n][:12]
        for n in sorted(set(names))
        if (names == n).sum() >= 12
    }
    judge = Judge(train, unseen, StyleMap.of(unseen, neighbours))
    rng = np.random.default_rng(1)

    def pick(pool: Floats, count: int = 64) -> Floats:
        return pool[rng.choice(len(pool), count, replace=False)]

    def partly(part: float) -> Callable[[], Floats]:
        def draw() -> Floats:
            rows = pick(mixed)
            learnt = rng.choice(64, round(64 * part), replace=False)
            rows[learnt] = pick(new_blurred, len(learnt))
            return rows

        return draw

    def base() -> Floats:
        return pick(mixed)

    for name, candidate, against in (
        ("A/A: the base again", base, base),
        ("A/A: the style again", lambda: pick(new), lambda: pick(new)),
        ("learnt, sharp", lambda: pick(new), base),
        ("learnt, blurred", lambda: pick(new_blurred), base),
        *(
            (f"{part:.0%} of pictures learnt, blurred", partly(part), base)
            for part in (0.1, 0.2, 0.3, 0.5)
        ),
        ("copyist", lambda: pick(train), base),
        ("one picture", lambda: np.repeat(pick(new, 1), 64, 0), base),
        ("one picture a prompt", lambda: np.repeat(pick(new, 16), 4, 0), base),
    ):
        print(judge.rates(name, candidate, against, asked.rounds), flush=True)


class Judge:
    """The default gate over features."""

    def __init__(self, train: Floats, unseen: Floats, styles: StyleMap) -> None:
        self.train, self.unseen, self.styles = train, unseen, styles
        self.limit = closeness_limit(train, unseen, styles.middle, 0.95)

    def measure(
        self, candidate: Floats, base: Floats, seed: int
    ) -> dict[str, Measured]:
        """The ruled figures of one pair of sets."""
        middle = self.styles.middle
        gains = self.styles.margins(candidate) - self.styles.margins(base)
        nearest = find_nearest(candidate, self.train, self.unseen, middle)
        return {
            "kid.improvement": measure_distances(
                candidate=candidate, base=base, reference=self.unseen, prompts=PROMPTS,
                reference_groups=np.arange(len(self.unseen)), kernel=kid_kernel, confidence=CONFIDENCE,
            ).improvement,
            "style.marginGain": clustered_mean(gains, PROMPTS, CONFIDENCE, seed, "", rounds=1000),
            "diversity.vendi": vendi_ratio(candidate - middle, base - middle, PROMPTS, CONFIDENCE),
            "diversity.withinPrompt": within_prompt_ratio(candidate - middle, base - middle, PROMPTS, CONFIDENCE),
            "copying.close": copying_rate(nearest, self.limit, PROMPTS, CONFIDENCE, seed),
        }  # fmt: skip

    def rates(
        self,
        name: str,
        candidate: Callable[[], Floats],
        base: Callable[[], Floats],
        rounds: int,
    ) -> str:
        """How often the gate passes such a model, how often each rule passes it, and the mean estimates."""
        passed = {rule: 0 for rule in RULES}
        estimates: dict[str, list[float]] = {rule: [] for rule in RULES}
        whole = 0
        for seed in range(rounds):
            figures = self.measure(candidate(), base(), seed)
            outcomes = {rule: holds(figures[rule], *RULES[rule]) for rule in RULES}
            whole += all(outcomes.values())
            for rule in RULES:
                passed[rule] += outcomes[rule]
                estimates[rule].append(figures[rule].estimate)
        each = ", ".join(
            f"{rule} {np.mean(estimates[rule]):.3f} holds {passed[rule] / rounds:.1%}"
            for rule in RULES
        )
        return f"{name}: PASS {whole / rounds:.1%} of {rounds}; {each}"


def holds(measured: Measured, must: str, threshold: float) -> bool:
    """Whether a rule's bound is on the right side."""
    if measured.low is None or measured.high is None:
        return False
    return measured.low > threshold if must == "above" else measured.high < threshold


def read(folder: Path) -> tuple[np.ndarray, list[str]]:
    """Pictures (n, side, side, 3) and their styles."""
    described = [
        json.loads(line)
        for line in (folder / "pictures.jsonl").read_text().splitlines()
    ]
    raw = np.fromfile(folder / "pictures.rgb", dtype=np.uint8)
    return raw.reshape(len(described), SIDE, SIDE, 3), [
        picture["style"] for picture in described
    ]


def blur(picture: np.ndarray) -> np.ndarray:
    """At half the resolution, as a small model paints."""
    half = Image.fromarray(picture).resize((SIDE // 2, SIDE // 2), Image.Resampling.BOX)
    return np.asarray(half.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


if __name__ == "__main__":
    main()
