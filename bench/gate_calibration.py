"""How often the default gate errs, on pictures that models of known quality painted.

    python bench/gate_calibration.py set.json MODELS [--rounds 200] [--only base]

`set.json` comes from bench/sample-set.ts, MODELS from bench/gate_models.py. A model is played by drawing its seeds: per
prompt, so many of the sixteen that were painted. Every rate has its 95 % interval (Clopper and Pearson).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

from plein_air.evaluation.figures import gains, own_figures, slice_gains
from plein_air.evaluation.intervals import Measured
from plein_air.evaluation.scene import Part, Scene, Shown
from plein_air.evaluation.thumbnails import thumbnails

PROMPTS = 64


@dataclass(frozen=True)
class Pool:
    """A model's pictures by prompt and seed."""

    features: np.ndarray
    pixels: np.ndarray

    @classmethod
    def read(cls, folder: Path) -> Pool:
        stored = np.load(folder / "features.npz")
        # Looks come one after the other, each prompt by prompt with two seeds.
        order = [stored[name].reshape(-1, PROMPTS, 2, *stored[name].shape[1:]) for name in ("features", "pixels")]
        by_seed = [np.moveaxis(a, 1, 0).reshape(PROMPTS, -1, *a.shape[3:]) for a in order]
        return cls(by_seed[0], by_seed[1])

    def take(self, seeds: np.ndarray) -> Shown:
        """Pictures of the seeds (prompts, n), prompt by prompt."""
        rows = np.arange(PROMPTS)[:, None]
        pixels = self.pixels[rows, seeds]
        features = self.features[rows, seeds].reshape(-1, self.features.shape[-1])
        flat = list(pixels.reshape(-1, *pixels.shape[2:]))
        return Shown(flat, {"set": features.astype(np.float64), "copies": thumbnails(flat)})


class Gate:
    """The default rules over features."""

    def __init__(self, asked: dict[str, Any], models: Path) -> None:
        self.rules = [r for r in asked["gate"]["rules"] if not r["metric"].startswith(("parity.", "integrity."))]
        self.confidence, self.looks = asked["gate"]["lookConfidence"], asked["gate"]["looks"]
        self.prompts = asked["samples"][: 2 * PROMPTS : 2]
        self.scene = read_scene(models, self.confidence)

    def measure(self, ours: Shown, base: Shown, production: Shown | None) -> dict[tuple[str, str, str], Measured]:
        """Every ruled figure by metric, slice and opponent."""
        samples = [p for p in self.prompts for _ in range(len(ours.pixels) // PROMPTS)]
        whole = Part.of(samples, [s["trigger"] for s in samples])
        found: dict[tuple[str, str, str], Measured] = {}
        for name, other in (("base", base), ("production", production)):
            if other is None:
                continue
            figures = gains(self.scene, ours, other, whole)[0] | own_figures(self.scene, ours, whole)
            found |= {(metric, "", name): value for metric, value in figures.items()}
            for part in {r.get("slice") for r in self.rules} - {None}:
                wanted = [s["sealed"] and s["trigger"] if part == "sealed" else s["genre"] == part for s in samples]
                some = slice_gains(self.scene, ours, other, Part.of(samples, wanted))
                found |= {(metric, part, name): value for metric, value in some.items()}
        return found

    def judge(self, found: dict[tuple[str, str, str], Measured]) -> tuple[str, list[str]]:
        """The verdict, and the rules that did not hold."""
        outcomes: dict[str, str] = {}
        for rule in self.rules:
            against = rule.get("against", "base")
            if against == "best" or (against != "base" and not any(key[2] == against for key in found)):
                continue
            m = found[rule["metric"], rule.get("slice") or "", against]
            name = f"{rule['metric']} {rule.get('slice') or ''} {'' if against == 'base' else 'vs ' + against}".strip()
            outcomes[name] = outcome(m, rule["must"], rule["threshold"])
        bad = [f"{name} ({result})" for name, result in outcomes.items() if result != "pass"]
        if "fail" in outcomes.values():
            return "FAIL", bad
        return ("INCONCLUSIVE" if bad else "PASS"), bad

    def verdict(self, draws: list[tuple[Shown, Shown, Shown | None]]) -> tuple[str, list[str]]:
        """The verdict after as many looks as it takes."""
        result: tuple[str, list[str]] = ("FAIL", [])
        for look in draws[: self.looks]:
            result = self.judge(self.measure(*look))
            if result[0] != "INCONCLUSIVE":
                break
        return result


def outcome(m: Measured, must: str, threshold: float) -> str:
    """As `compare` in src/domain/evaluation/gate.ts."""
    if m.low is None or m.high is None:
        return "fail"
    if must == "above":
        return "pass" if m.low > threshold else "fail" if m.high <= threshold else "inconclusive"
    return "pass" if m.high < threshold else "fail" if m.low >= threshold else "inconclusive"


def read_scene(models: Path, confidence: float) -> Scene:
    """Reference paintings of the tiny profile."""

    @dataclass(frozen=True)
    class Row:
        cluster: int
        style: str

    def split(*names: str) -> tuple[np.ndarray, np.ndarray, list[Row]]:
        stored = [np.load(models / f"split-{name}" / "features.npz") for name in names]
        rows = [Row(int(c), str(s)) for one in stored for c, s in zip(one["clusters"], one["styles"], strict=True)]
        features, copies = (np.concatenate([one[kind] for one in stored]) for kind in ("features", "copies"))
        return features, copies, rows

    unseen, unseen_copies, held_out = split("held_out", "test")
    beside, _, neighbors = split("neighbors")
    _, train, _ = split("train")

    class Rows:
        pass

    dataset: Any = Rows()
    dataset.held_out, dataset.neighbors = held_out, neighbors
    return Scene.of(dataset, {"set": unseen, "copies": unseen_copies}, beside, train, confidence, 0)


def rate(hits: int, rounds: int) -> str:
    """A share with its exact two-sided 95 % interval."""
    from scipy.special import betaincinv

    low = betaincinv(hits, rounds - hits + 1, 0.025) if hits else 0.0
    high = betaincinv(hits + 1, rounds - hits, 0.975) if hits < rounds else 1.0
    return f"{hits / rounds:.1%} [{low:.1%}, {high:.1%}]"


def main() -> None:
    """Prints one line a kind of candidate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument(
        "--power", action="store_true", help="only: better models of several effect sizes, first release"
    )
    parser.add_argument("--mutants", action="store_true", help="only: checkpoints on the way, and mutants, one look")
    parser.add_argument("--seed", type=int, default=0, help="of the draws: further rounds have another")
    parser.add_argument("--only", choices=("same", "base", "twins"), help="one kind of A/A run")
    asked = parser.parse_args()
    gate = Gate(json.loads(asked.set.read_text()), asked.models)
    base, style = Pool.read(asked.models / "base"), Pool.read(asked.models / "twin-1")
    rng = np.random.default_rng(asked.seed)

    def seeds(count: int) -> np.ndarray:
        return np.stack([rng.permutation(16)[:count] for _ in range(PROMPTS)])

    def looks(ours: Pool, against: Pool, production: Pool | None) -> list[tuple[Shown, Shown, Shown | None]]:
        """Two looks; production paints other seeds than ours, so that equal models do not paint equal pictures."""
        drawn = seeds(8)
        return [
            (ours.take(drawn[:, :n]), against.take(drawn[:, :n] if against is not ours else drawn[:, 4 : 4 + n]),
             None if production is None else production.take(drawn[:, 4 : 4 + n]))
            for n in (2, 4)
        ]  # fmt: skip

    if asked.mutants:
        mutants(gate, asked.models, base)
        return
    if asked.power:
        for part in (0.5, 0.3, 0.2, 0.1):
            ours = partly(style, base, part)
            gained = gate.scene.styles.margins(ours.features[:60].reshape(-1, ours.features.shape[-1])).mean()
            gained -= gate.scene.styles.margins(base.features[:60].reshape(-1, base.features.shape[-1])).mean()
            name = f"better on {part:.0%} of the way to the adapter, style margin gained {gained:.3f}"
            print_rate(name, gate, asked.rounds, lambda o=ours: looks(o, base, None))
        return
    kinds = {
        "same": ("A/A: the adapter against itself in production, other seeds", lambda: looks(style, base, style)),
        "base": ("A/A: the base again, as a candidate", lambda: looks(base, base, None)),
    }
    for kind, (name, draw) in kinds.items():
        if asked.only in (None, kind):
            print_rate(name, gate, asked.rounds, draw)
    if asked.only in (None, "twins"):
        against_each_other(gate, asked.models, style, base)


def against_each_other(gate: Gate, models: Path, style: Pool, base: Pool) -> None:
    """Models that were trained alike but for their seed, every ordered pair, one look."""
    twins = {f"twin-{i}": Pool.read(models / f"twin-{i}") for i in range(2, 9)}
    both = np.zeros((PROMPTS, 2), dtype=int) + np.arange(2)
    first = {"twin-1": Pool(style.features[:, :2], style.pixels[:, :2]), **twins}
    pairs = [(a, b) for a in first for b in first if a != b]
    counts: Counter[str] = Counter()
    why: Counter[str] = Counter()
    for a, b in pairs:
        verdict, bad = gate.judge(gate.measure(first[a].take(both), base.take(both), first[b].take(both)))
        counts[verdict] += 1
        why.update(bad)
    print(
        f"A/A: twins (another training seed) against each other, one look: {describe(counts, len(pairs))}; {top(why)}",
        flush=True,
    )
    print(differences(gate, first, base, both))


def mutants(gate: Gate, models: Path, base: Pool) -> None:
    """One verdict each, production being a twin; the collapse is the best model's first picture, always."""
    pair = np.zeros((PROMPTS, 2), dtype=int) + np.arange(2)
    production = Pool.read(models / "twin-2").take(pair)
    kinds = {name: Pool.read(models / name) for name in ("twin-1", "step-200", "step-150", "step-100", "step-50")}
    kinds |= {f"mutant {name}": Pool.read(models / name) for name in ("zero", "scale-3", "copyist", "nan")}
    scene, unseen = gate.scene, gate.scene.unseen["set"]
    style = kinds["twin-1"]
    flat = style.features[:, :2].reshape(-1, style.features.shape[-1])
    # The picture whose repetition CMMD likes best: nearest to the paintings' mean.
    row = int(np.argmin(((flat - unseen.mean(0)) ** 2).sum(1)))
    one = Pool(
        np.broadcast_to(style.features[row // 2, row % 2], style.features.shape).copy(),
        np.broadcast_to(style.pixels[row // 2, row % 2], style.pixels.shape).copy(),
    )
    kinds["mutant collapse to one picture"] = one
    for name, pool in kinds.items():
        found = gate.measure(pool.take(pair), base.take(pair), production)
        verdict, bad = gate.judge(found)
        faults = (
            np.load(models / name.removeprefix("mutant ") / "features.npz")["faults"] if "collapse" not in name else []
        )
        if len(faults):
            verdict, bad = "FAIL", [f"integrity.broken ({len(faults)} of {pool.features.shape[0] * 2})", *bad]
        cmmd = found["cmmd.improvement", "", "base"]
        wide = gaussian_mean_shift(scene, pool.take(pair), base.take(pair))
        gained = found["style.marginGain", "", "base"].estimate
        print(f"{name}: {verdict}; style margin gained {gained:.3f}; better by CMMD: {cmmd.low is not None and cmmd.low > 0}"
              f" (ten times the bandwidth: {wide}); {', '.join(bad) or 'every rule holds'}", flush=True)  # fmt: skip


def gaussian_mean_shift(scene: Scene, ours: Shown, base: Shown) -> bool:
    """CMMD at a bandwidth far above the spread, as its fixed 10 is on unit vectors: it sees means alone."""
    from plein_air.evaluation.set_distances import gaussian_kernel, measure_distances, median_distance

    reference = scene.unseen["set"]
    found = measure_distances(
        candidate=ours.features["set"], base=base.features["set"], reference=reference,
        prompts=np.arange(2 * PROMPTS) // 2, reference_groups=np.arange(len(reference)),
        kernel=gaussian_kernel(10 * median_distance(reference)), confidence=scene.confidence,
    ).improvement  # fmt: skip
    return found.low is not None and found.low > 0


def partly(style: Pool, base: Pool, part: float) -> Pool:
    """A model whose pictures are the adapter's for a share of the seeds, evenly over prompts, and else the base's."""
    learnt = np.random.default_rng(5).random(style.features.shape[:2]) < part
    features = np.where(learnt[:, :, None], style.features, base.features)
    return Pool(features, np.where(learnt[:, :, None, None, None], style.pixels, base.pixels))


def print_rate(name: str, gate: Gate, rounds: int, draw: Any) -> None:
    """Verdicts of a kind of candidate."""
    counts: Counter[str] = Counter()
    why: Counter[str] = Counter()
    for _ in range(rounds):
        verdict, bad = gate.verdict(draw())
        counts[verdict] += 1
        why.update(bad)
    print(f"{name}: {describe(counts, rounds)}; {top(why)}", flush=True)


def describe(counts: Counter[str], rounds: int) -> str:
    """Every verdict's rate."""
    return ", ".join(f"{v} {rate(counts[v], rounds)}" for v in ("PASS", "INCONCLUSIVE", "FAIL")) + f" of {rounds}"


def top(why: Counter[str]) -> str:
    """The rules that failed most."""
    return "most often: " + (", ".join(f"{name} x{n}" for name, n in why.most_common(6)) or "none")


def differences(gate: Gate, twins: dict[str, Pool], base: Pool, seeds: np.ndarray) -> str:
    """What twins differ by: the non-inferiority margins are twice the 95 % quantile of it."""
    names = list(twins)
    found: dict[str, list[float]] = {}
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            measured = gate.measure(twins[a].take(seeds), base.take(seeds), twins[b].take(seeds))
            for (metric, part, against), m in measured.items():
                if against == "production" and part == "":
                    found.setdefault(metric, []).append(m.estimate)
    lines = []
    for metric, estimates in sorted(found.items()):
        # Two equal models have a difference of 0, and a ratio of diversities of 1.
        apart = np.abs(np.array(estimates) - (1 if metric.startswith("diversity") else 0))
        lines.append(f"  {metric}: 95 % of twins within {np.quantile(apart, 0.95):.4f}")
    return "twins differ by\n" + "\n".join(lines)


if __name__ == "__main__":
    main()
