"""Size, power and false fails of the gate's rules, by simulation on the pictures of real runs.

    node scripts/ts.mjs bench/sample-set.ts tiny > set.json
    python bench/gate_calibration.py set.json BASE GOOD TWIN DATASET [--rounds 400] [--series 100] [--quick]

BASE, GOOD and TWIN are sample folders of one set (base, a good adapter, the same trained with another seed), DATASET the
prepared dataset. Three tables:

- size: each rule with its true value exactly at the threshold. Prompts and pictures are drawn anew from those of the good
  model; how often it passes within both looks, over 1, 10 and 36 runs in a row with the confidences of the ledger.
- value passed nine times in ten: the true value of each rule at which 90 % of such draws pass within both looks.
- whole reports: prompts of real pictures drawn anew, every rule by the real functions; how often the good model, a perfect
  painter and the twin against the good one in production pass at the first look.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

import numpy as np

from image_mutants import Material, perfect
from plein_air.evaluation import evaluate, figures
from plein_air.evaluation.encoding import Encoding
from plein_air.evaluation.intervals import clustered_mean, clustered_rate, few_prompts_mean, prompt_variance
from plein_air.evaluation.pictures import pixels_of, read_dataset, read_samples
from plein_air.evaluation.scene import Part, Scene, Shown

FIRST, RUNS = 0.8, (1, 10, 36)
"""As `shareOf` in src/domain/evaluation/ledger.ts has it."""
RATES = {"style.winRate"}


class Quiet:
    """Events that go nowhere."""

    def progress(self, *_: Any) -> None: ...


@dataclass(frozen=True)
class World:
    """Real pictures, seen by every encoder."""

    scene: Scene
    base: Shown
    good: Shown
    twin: Shown
    perfect: Shown
    samples: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    alpha: float
    looks: int

    @classmethod
    def of(cls, asked: argparse.Namespace) -> World:
        given = json.loads(asked.set.read_text())
        samples = [s for s in given["samples"] if (asked.good / f"{s['id']}.png").is_file()]
        dataset, held_out = (read_dataset(asked.dataset, split) for split in ("test", "held_out"))
        base, good, twin = (list(read_samples(f, samples).pixels) for f in (asked.base, asked.good, asked.twin))
        pixels = pixels_of(held_out.unseen)
        material = Material(samples, base, good, [], [(p.genre, pixels[p.id]) for p in held_out.unseen], [])
        shown = [Shown(pictures) for pictures in (base, good, twin, perfect(material))]
        seen = Encoding([], Quiet(), threading.Event()).run(
            given["evaluation"]["encoder"], len(good[0]), dataset, shown, [s["prompt"] for s in samples]
        )
        scene = Scene.of(dataset, seen, shown[0], 0.98, 0)
        content = evaluate._content(samples, dataset, seen)  # pyright: ignore[reportPrivateUsage]
        for one in shown:
            scene.look_at(one, shown[0], content)
        gate = given["gate"]
        return cls(scene, *shown, samples, gate["rules"], 1 - gate["confidence"], gate["looks"])

    def confidence(self, place: int) -> float:
        share = FIRST if place == 1 else (1 - FIRST) / (place * (place - 1))
        return 1 - self.alpha * share / self.looks

    def slice_rows(self, name: str | None) -> np.ndarray:
        trigger = np.array([s.get("trigger", True) for s in self.samples])
        if name is None:
            return np.flatnonzero(trigger)
        if name == "sealed":
            return np.flatnonzero(trigger & np.array([s.get("sealed", False) for s in self.samples]))
        return np.flatnonzero(figures.slice_names(self.samples) == name)


def passes(rule: dict[str, Any], found: Any) -> bool:
    """Whether the bound that the rule asks for holds."""
    if found is None or found.low is None or found.high is None:
        return False
    return found.low > rule["threshold"] if rule["must"] == "above" else found.high < rule["threshold"]


@dataclass(frozen=True)
class Population:
    """What a figure is like over prompts and pictures: effects of prompts, and what pictures of a prompt differ by."""

    prompts: np.ndarray
    pictures: np.ndarray
    sizes: list[int]
    """Prompts of each part; a rule on a part is on the first."""
    rate: bool
    overdispersion: float

    @classmethod
    def of(cls, world: World, rule: dict[str, Any], values: np.ndarray) -> Population | None:
        names = figures.slice_names(world.samples)
        prompt_of = np.array([s["promptId"] for s in world.samples])
        rows = [r for r in world.slice_rows(None) if np.isfinite(values[r])]
        own = [r for r in world.slice_rows(rule.get("slice")) if np.isfinite(values[r])]
        if len(own) == 0 or len(rows) == 0:
            return None
        means = {p: values[[r for r in rows if prompt_of[r] == p]].mean() for p in sorted(set(prompt_of[rows]))}
        effects = np.array(list(means.values()))
        residuals = np.array([values[r] - means[prompt_of[r]] for r in rows]) * np.sqrt(2)
        between = max(0.0, effects.var(ddof=1) - residuals.var() / 2)
        effects = (effects - effects.mean()) * np.sqrt(between / max(effects.var(ddof=1), 1e-12))
        parts = [set(prompt_of[own])]
        if rule.get("slice") not in (None, "sealed"):
            parts += [set(prompt_of[names == name]) for name in sorted(set(names)) if name != rule["slice"]]
        rate = rule["metric"] in RATES
        share = between / max(values[rows].var(), 1e-12)
        return cls(effects, residuals, [len(p) for p in parts], rate, float(np.clip(share, 0.05, 0.6)))

    def draw(self, rng: np.random.Generator, mean: float, seeds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values of pictures, their prompts and parts; shape (prompts * seeds,), seed by seed."""
        count = sum(self.sizes)
        part = np.repeat(np.arange(len(self.sizes)), self.sizes)
        if self.rate:
            spread = 1 / self.overdispersion - 1
            chance = rng.beta(mean * spread, (1 - mean) * spread, count) if 0 < mean < 1 else np.full(count, mean)
            values = (rng.random((seeds, count)) < chance).astype(float)
        else:
            values = mean + rng.choice(self.prompts, count) + rng.choice(self.pictures, (seeds, count))
        prompts = np.tile(np.arange(count), seeds)
        return values.ravel(), prompts, np.tile(part, seeds)


def bounds(rule: dict[str, Any], values: np.ndarray, prompts: np.ndarray, parts: np.ndarray, confidence: float) -> Any:
    """As the trainer has them: a whole set by bootstrap, a part by Student's t with pooled variance, a rate exactly."""
    own = parts == 0
    if rule["metric"] in RATES:
        return clustered_rate(values[own], np.unique(prompts[own], return_inverse=True)[1], confidence, "")
    if rule.get("slice") in (None, "sealed") and len(set(parts)) == 1:
        return clustered_mean(values, prompts, confidence, 0, "", rounds=2000)
    pooled = prompt_variance(values, prompts, parts)
    return few_prompts_mean(values[own], np.unique(prompts[own], return_inverse=True)[1], pooled, confidence, "")


def tried(world: World, rule: dict[str, Any], one: Population, mean: float, place: int, rng: Any) -> bool:
    """Whether one candidate with this true value passes the rule within all its looks."""
    values, prompts, parts = one.draw(rng, mean, 2 * world.looks)
    for look in range(1, world.looks + 1):
        upto = 2 * look * sum(one.sizes)
        if passes(rule, bounds(rule, values[:upto], prompts[:upto], parts[:upto], world.confidence(place))):
            return True
    return False


def sizes(world: World, asked: argparse.Namespace) -> None:
    """The table of sizes, and of values passed nine times in ten."""
    values = figures.per_picture(world.scene, world.good) | figures._paired_values(  # pyright: ignore[reportPrivateUsage]
        world.scene, world.good, world.base
    )
    way = world.scene.style_probe.scores(world.scene.unseen["set"]).mean() - world.base.scores["style.score"].mean()
    values["style.progress"] = values["style.scoreGain"] / way
    done: set[tuple[str, int, bool]] = set()
    print(
        "| rule at its threshold | 1 run | 10 runs | 36 runs | true value passed nine times in ten |\n|---|---|---|---|---|"
    )
    for rule in world.rules:
        name, part = rule["metric"], rule.get("slice")
        if rule.get("against", "base") != "base" or name not in values:
            continue
        one = Population.of(world, rule, values[name])
        # Slices with as many prompts are alike.
        key = (name, one.sizes[0] if one else 0, part is None)
        if one is None or key in done:
            continue
        done.add(key)
        rng = np.random.default_rng(1)
        first = np.mean([tried(world, rule, one, rule["threshold"], 1, rng) for _ in range(asked.rounds)])
        ever = np.zeros((asked.series, max(RUNS)), dtype=bool)
        for series in range(asked.series):
            for run in range(max(RUNS)):
                # The first run of a series is known from above, and a later one costs as much.
                place = run + 1
                hit = rng.random() < first if place == 1 else tried(world, rule, one, rule["threshold"], place, rng)
                ever[series, run] = hit
        rates = [first, *(ever[:, :runs].any(1).mean() for runs in RUNS[1:])]
        needed = passed(world, rule, one, asked.rounds, rng)
        words = f"| `{name}`{f' of {part}' if part else ''} ({one.sizes[0]} prompts) | "
        shown = " | ".join(f"{rate:.1%}" for rate in rates)
        print(f"{words}{shown} | {rule['threshold']:g} → {needed:.3g} |", flush=True)


def passed(world: World, rule: dict[str, Any], one: Population, rounds: int, rng: Any) -> float:
    """The true value that passes nine times in ten, by bisection."""
    sign = 1 if rule["must"] == "above" else -1
    far = 4 * float(np.hypot(one.prompts.std(), one.pictures.std())) if not one.rate else 1 - rule["threshold"]
    low, high = 0.0, far
    for _ in range(7):
        middle = (low + high) / 2
        rate = np.mean([tried(world, rule, one, rule["threshold"] + sign * middle, 1, rng) for _ in range(rounds // 4)])
        low, high = (middle, high) if rate < 0.9 else (low, middle)
    return rule["threshold"] + sign * high


def report(world: World, ours: Shown, rival: Shown | None, rows: np.ndarray, names: list[str]) -> dict[str, bool]:
    """Whether each rule holds on these rows, every one a picture of the prompt of that name."""
    samples = [{**world.samples[row], "promptId": name} for row, name in zip(rows, names, strict=True)]
    pick = lambda shown: replace(  # noqa: E731
        figures.take(shown, Part(rows, rows)), pixels=[shown.pixels[row] for row in rows]
    )
    mine, base = pick(ours), pick(world.base)
    scene = replace(world.scene, confidence=world.confidence(1))
    part = Part.of(samples, [sample.get("trigger", True) for sample in samples])
    found = figures.own_figures(scene, mine, part) | figures.progress(scene, mine, base, part)
    found |= figures.gains(scene, mine, base, part)[0] | {
        "appearance.outside": figures.outside(scene, mine, base, part)
    }
    found |= figures.leak(scene, mine, base, samples)
    sliced = figures.slice_gains(scene, mine, base, samples)
    against: dict[str, Any] = {}
    if rival is not None:
        theirs = pick(rival)
        against = figures.gains(scene, mine, theirs, part)[0] | figures.retained(scene, mine, theirs, base, part)
    cache: dict[str, Any] = {}
    held: dict[str, bool] = {}
    for rule in world.rules:
        name, where, who = rule["metric"], rule.get("slice"), rule.get("against", "base")
        if name.split(".")[0] in ("parity", "integrity") or name in ("copying.copies", "copying.detection"):
            continue
        if who == "best" or (who == "production" and rival is None):
            continue
        if where is not None and where not in cache:
            sealed = [s.get("sealed", False) and s.get("trigger", True) for s in samples]
            wanted = sealed if where == "sealed" else (sliced.names == where).tolist()
            cache[where] = sliced.of(Part.of(samples, wanted))
        source = cache[where] if where is not None else against if who == "production" else found
        held[f"{name}{f' of {where}' if where else ''}{'' if who == 'base' else f' against {who}'}"] = passes(
            rule, source.get(name)
        )
    return held


def whole(world: World, asked: argparse.Namespace) -> None:
    """The table of whole reports."""
    prompt_of = [s["promptId"] for s in world.samples]
    cells: dict[str, list[str]] = {}
    for name in dict.fromkeys(prompt_of):
        sample = world.samples[prompt_of.index(name)]
        cells.setdefault(f"{sample['genre']} {sample.get('sealed', False)}", []).append(name)
    cases: list[tuple[str, Shown, Shown | None]] = [
        ("the good model, first release", world.good, None),
        ("a perfect painter, first release", world.perfect, None),
        ("its twin, the good model in production", world.twin, world.good),
    ]
    print("| prompts drawn anew | all rules hold at the first look | rules that most often do not |\n|---|---|---|")
    for words, ours, rival in cases:
        rng = np.random.default_rng(2)
        missed: dict[str, int] = {}
        right = 0
        for _ in range(asked.reports):
            rows: list[int] = []
            names: list[str] = []
            for prompts in cells.values():
                for number, name in enumerate(rng.choice(prompts, len(prompts))):
                    own = [row for row, one in enumerate(prompt_of) if one == name]
                    rows += own
                    names += [f"{prompts[0]}-{number}"] * len(own)
            held = report(world, ours, rival, np.array(rows), names)
            right += all(held.values())
            for rule in (rule for rule, holds in held.items() if not holds):
                missed[rule] = missed.get(rule, 0) + 1
        worst = sorted(missed.items(), key=lambda item: -item[1])[:4]
        print(f"| {words} | {right} of {asked.reports} | "
              + (", ".join(f"`{rule}` {count}" for rule, count in worst) or "none") + " |", flush=True)  # fmt: skip


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("set", "base", "good", "twin", "dataset"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--reports", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="100 rounds, 20 series, 10 reports")
    parser.add_argument("--only", choices=("sizes", "whole"))
    asked = parser.parse_args()
    if asked.quick:
        asked.rounds, asked.series, asked.reports = 100, 20, 10
    world = World.of(asked)
    parts: dict[str, Callable[[World, argparse.Namespace], None]] = {"whole": whole, "sizes": sizes}
    for name, part in parts.items():
        if asked.only in (None, name):
            part(world, asked)


if __name__ == "__main__":
    main()
