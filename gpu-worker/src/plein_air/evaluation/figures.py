"""The figures of a report: a model's own, and what it gained over another one, picture by picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from plein_air.evaluation.appearance import TRAITS
from plein_air.evaluation.copying import copying_excess, copying_increase, copying_rate
from plein_air.evaluation.diversity import unit_rows, vendi_ratio, within_prompt_ratio
from plein_air.evaluation.intervals import (
    Floats,
    Measured,
    Pooled,
    clustered_mean,
    clustered_rate,
    exact,
    few_prompts_mean,
    prompt_variance,
)
from plein_air.evaluation.scene import Part, Shown
from plein_air.evaluation.set_distances import Distances, measure_distances, mmd2, retained_distance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from plein_air.evaluation.scene import Scene

MARGIN = "cosine to the style's centroid minus the best to a neighbor's"


RETAINED = 0.85
"""Part of a release's gain over the base that a candidate has to keep."""


def own_figures(scene: Scene, ours: Shown, part: Part) -> dict[str, Measured]:
    """Figures of one model on its own."""
    nearest = scene.nearest(take(ours, part))
    figures = {
        "copying.excess": copying_excess(nearest, scene.limit, scene.paintings_close, part.prompts, scene.confidence),
        "copying.close": copying_rate(nearest, scene.limit, part.prompts, scene.confidence),
    }
    for name, values in per_picture(scene, ours).items():
        figures[name] = _mean(scene, *asked(name, values, part), _WORDS[name])
    return figures


_WORDS = {
    "style.margin": MARGIN,
    "style.score": "what a probe of the style reads from the encoder's features, -1 a neighbor's, 1 the wanted one",
    "style.plain": "what a probe of the style reads from sharpness, contrast, color and grain, which no encoder saw",
    "content.match": "how often a picture is more like its genre than the same model's pictures of others; chance is 0.5",
    "content.shown": "the same, or nearer to the base's picture of its prompt and seed than to the base's of other kinds",
    "appearance.upright": "what a probe of light and color by place reads, 1 upright, -1 upside down",
    "appearance.color": "what a probe of light and color by place reads, 1 as painted, -1 in the opposite hues",
    "appearance.wayUp": "how much more light lies as in the base's picture of its prompt and seed than it does upside down",
    "appearance.hues": "cosine of the colors by place to those of the base's picture of its prompt and seed",
    "csd.similarity": "cosine of CSD's style descriptors to the centroid of unseen paintings",
    "adherence.clip": "cosine of picture and words in CLIP's space",
    "adherence.vqa": 'probability of "Yes" to whether the picture shows the words',
    "preference.score": "the preference model's score",
}
_SEEN = (
    "style.score", "style.plain", "content.match", "content.shown", "appearance.upright", "appearance.color",
    "appearance.wayUp", "appearance.hues",
)  # fmt: skip


def per_picture(scene: Scene, ours: Shown) -> dict[str, Floats]:
    """Every figure that each picture has on its own, by name, over all rows of the set; NaN where nothing was asked."""
    values: dict[str, Floats] = {name: ours.scores[name] for name in _SEEN if name in ours.scores}
    if scene.styles is not None:
        values["style.margin"] = scene.styles.margins(ours.features["set"])
    if "style" in ours.features:
        centroid = unit_rows(scene.unseen["style"].mean(0)[None])[0]
        values["csd.similarity"] = unit_rows(ours.features["style"]) @ centroid
    for name, metric in (("clip", "adherence.clip"), ("vqa", "adherence.vqa"), ("preference", "preference.score")):
        if name in ours.scores:
            values[metric] = ours.scores[name]
    return values


def gains(scene: Scene, ours: Shown, theirs: Shown, part: Part) -> tuple[dict[str, Measured], dict[str, Distances]]:
    """What we gained over them; the set distances come with both sides of the difference."""
    a, b = take(ours, part), take(theirs, part)
    figures = {
        "effect.pixels": _mean(
            scene,
            _changes(ours.pixels, theirs.pixels),
            part,
            "mean absolute change of a pixel against the base, 0 to 1",
        )
    }
    distances = {
        name: measure_distances(
            candidate=a.features[role],
            base=b.features[role],
            reference=scene.unseen[role],
            prompts=part.prompts,
            reference_groups=scene.unseen_groups,
            kernel=kernel,
            confidence=scene.confidence,
        )
        for name, (role, kernel) in scene.kernels.items()
    }
    figures |= {f"{name}.improvement": found.improvement for name, found in distances.items()}
    figures |= _paired(scene, ours, theirs, part)
    seen, unseen = a.features["set"] - scene.middle, b.features["set"] - scene.middle
    figures |= {
        "diversity.vendi": vendi_ratio(seen, unseen, part.prompts, scene.confidence),
        "diversity.withinPrompt": within_prompt_ratio(seen, unseen, part.prompts, scene.confidence),
        "copying.increase": copying_increase(
            scene.nearest(a), scene.nearest(b), scene.limit, part.prompts, scene.confidence, scene.seed
        ),
    }
    return figures, distances


def slice_gains(scene: Scene, ours: Shown, theirs: Shown, samples: Sequence[dict[str, Any]]) -> Slices:
    """Figures of single pictures by part of the set, with what they gained."""
    values = per_picture(scene, ours) | _paired_values(scene, ours, theirs)
    return Slices(scene, ours, theirs, values, slice_names(samples), np.array([s["promptId"] for s in samples]))


_GAINS = {
    "style.margin": "style.marginGain",
    "style.score": "style.scoreGain",
    "style.plain": "style.plainGain",
    "content.match": "content.matchGain",
    "appearance.upright": "appearance.uprightGain",
    "appearance.color": "appearance.colorGain",
    "csd.similarity": "csd.gain",
    "adherence.clip": "adherence.clipGain",
    "adherence.vqa": "adherence.vqaGain",
}
_RATES = {
    "style.winRate": "rate of pictures that beat the other's of the same prompt and seed, by both probes of style"
}


def _paired_values(scene: Scene, ours: Shown, theirs: Shown) -> dict[str, Floats]:
    """What each picture gained over the other's of its prompt and seed, over all rows of the set."""
    mine, other = per_picture(scene, ours), per_picture(scene, theirs)
    values = {gain: mine[name] - other[name] for name, gain in _GAINS.items() if name in mine and name in other}
    if "preference.score" in mine and "preference.score" in other:
        values["preference.winRate"] = 1 / (1 + np.exp(other["preference.score"] - mine["preference.score"]))
    if "style.scoreGain" in values:
        both = (values["style.scoreGain"] > 0) & (values["style.plainGain"] > 0)
        values["style.winRate"] = both.astype(np.float64)
    return values


def _paired(scene: Scene, ours: Shown, theirs: Shown, part: Part) -> dict[str, Measured]:
    return {
        name: _rate(scene, values, part, _RATES[name])
        if name in _RATES
        else _mean(scene, *asked(name, values, part), f"{name}, paired by prompt and seed")
        for name, values in _paired_values(scene, ours, theirs).items()
    }


def slice_names(samples: Sequence[dict[str, Any]]) -> NDArray[np.str_]:
    """The part of the set that each sample belongs to: its slice, or `small` where a slice has fewer than 3 prompts."""
    prompts: dict[str, set[str]] = {}
    for sample in samples:
        prompts.setdefault(sample["genre"], set()).add(sample["promptId"])
    return np.array([s["genre"] if len(prompts[s["genre"]]) >= MIN_PROMPTS else SMALL for s in samples])


MIN_PROMPTS = 3
"""Prompts that a slice needs for figures of its own."""
SMALL = "small"
"""Slices with fewer, taken together."""


@dataclass(frozen=True)
class Slices:
    """Figures of each picture, and the parts of the set that they are summed up over."""

    scene: Scene
    ours: Shown
    theirs: Shown
    values: dict[str, Floats]
    names: NDArray[np.str_]
    prompts: NDArray[np.str_]

    def of(self, part: Part) -> dict[str, Measured]:
        """The figures of one part, whose bounds know how much prompts differ elsewhere."""
        figures: dict[str, Measured] = {}
        for name, values in self.values.items():
            if name in _RATES:
                figures[name] = _rate(self.scene, values, part, _RATES[name])
                continue
            values, found = asked(name, values, part)
            figures[name] = few_prompts_mean(
                values[found.rows], found.prompts, self._pooled(values), self.scene.confidence,
                f"{_WORDS.get(name, name)}; Student's t over prompts, variance pooled over slices",
            )  # fmt: skip
        pooled = [self._pooled(column) for column in self.ours.features["traits"].T]
        figures["appearance.outside"] = outside(self.scene, self.ours, self.theirs, part, pooled)
        return figures

    def _pooled(self, values: Floats) -> Pooled:
        rows = np.flatnonzero(np.isfinite(values))
        if len(rows) == 0:
            return Pooled(float("nan"), 0)
        prompts, parts = (np.unique(names[rows], return_inverse=True)[1] for names in (self.prompts, self.names))
        return prompt_variance(values[rows], prompts, parts)


_OF_GENRES = ("content.match", "content.baseMatch", "content.matchGain")


def asked(name: str, values: Floats, part: Part) -> tuple[Floats, Part]:
    """The part of a figure without the pictures that were asked for no genre, which it says nothing of.

    Where none was asked for one, all stay: a figure without a value has no bounds, and passes no rule.
    """
    finite = np.isfinite(values[part.rows])
    if name not in _OF_GENRES or finite.all() or not finite.any():
        return values, part
    return values, Part(part.rows[finite], np.unique(part.prompts[finite], return_inverse=True)[1])


WILD_TRAIT = 8.0
"""How many times the pooled variance a trait's own must be to be taken by itself: of 24 traits over four prompts some vary
three times as much as elsewhere by chance, and the bounds of the wildest would be those of the rule."""


def outside(scene: Scene, ours: Shown, base: Shown, part: Part, pooled: Sequence[Pooled] | None = None) -> Measured:
    """How far the trait that is furthest out lies beyond both the base's pictures and the paintings, in their spreads.

    A style moves pictures from the base's look towards the paintings'; what lies beyond both, in any trait, is no style.
    """
    mean, spread = scene.traits
    mine = (ours.features["traits"][part.rows] - mean) / spread
    theirs = (base.features["traits"] - mean) / spread
    middles = np.stack([np.zeros(len(mean)), theirs[part.rows].mean(0), theirs.mean(0)])
    elsewhere = [
        Pooled(one.variance / spread[column] ** 2, one.degrees) for column, one in enumerate(pooled or [])
    ] or [Pooled(0.0, 1)] * len(mean)
    found = [
        few_prompts_mean(side, part.prompts, elsewhere[column], scene.confidence, TRAITS[column], WILD_TRAIT)
        for column in range(len(mean))
        for side in (mine[:, column] - middles[:, column].max(), middles[:, column].min() - mine[:, column])
    ]
    words = "furthest that a trait lies beyond base and paintings, in spreads of the paintings; furthest: "
    if any(one.low is None or one.high is None for one in found):
        return Measured(float("nan"), None, None, len(part.rows), words + "none")
    worst = max(found, key=lambda one: one.estimate)
    low, high = (
        max(0.0, *(float(b) for one in found if (b := getattr(one, side)) is not None)) for side in ("low", "high")
    )
    return Measured(max(0.0, worst.estimate), low, high, len(part.rows), words + worst.method)


def retained(scene: Scene, ours: Shown, release: Shown, base: Shown, part: Part) -> dict[str, Measured]:
    """What we gained over the base beyond the part of the release's gain that has to be kept: above 0 keeps it."""
    a, r, b = (shown.scores["style.score"] for shown in (ours, release, base))
    role, kernel = scene.kernels["kid"]
    words = f"gain in style.score over the base beyond {RETAINED:.0%} of the release's, paired by prompt and seed"
    return {
        "style.retained": _mean(scene, (a - b) - RETAINED * (r - b), part, words),
        "kid.retained": retained_distance(
            candidate=ours.features[role][part.rows],
            release=release.features[role][part.rows],
            base=base.features[role][part.rows],
            share=RETAINED,
            reference=scene.unseen[role],
            prompts=part.prompts,
            reference_groups=scene.unseen_groups,
            kernel=kernel,
            confidence=scene.confidence,
        ),
    }


def progress(scene: Scene, ours: Shown, base: Shown, part: Part) -> dict[str, Measured]:
    """How much of the way from the base to unseen paintings was gone: 0 none, 1 all; and where the paintings are."""
    paintings = scene.style_probe.scores(scene.unseen["set"])[:, 0]
    role, kernel = scene.kernels["kid"]
    floor = mmd2(scene.unseen[role], scene.train_set, kernel)
    way = float(paintings.mean() - base.scores["style.score"][part.rows].mean())
    gained = (ours.scores["style.score"] - base.scores["style.score"]) / (way if way > 0 else float("nan"))
    return {
        "style.progress": _mean(scene, gained, part, "gain in style.score over what paintings are above the base"),
        "style.paintings": exact(float(paintings.mean()), len(paintings), "style.score of unseen paintings"),
        "kid.paintings": exact(floor, len(paintings), "KID of the training pictures to unseen paintings"),
    }


def leak(scene: Scene, ours: Shown, base: Shown, samples: Sequence[dict[str, Any]]) -> dict[str, Measured]:
    """How much more of the style shows without the trigger than with it; nothing without prompts that leave it out."""
    triggered = np.array([sample.get("trigger", True) for sample in samples])
    if triggered.all():
        return {}
    gained = ours.scores["style.score"] - base.scores["style.score"]
    parts = slice_names(samples)
    prompts = np.unique(np.array([sample["promptId"] for sample in samples]), return_inverse=True)[1]
    pooled = prompt_variance(gained, prompts, np.unique(parts, return_inverse=True)[1])
    free = Part.of(list(samples), (~triggered).tolist())
    excess = gained[free.rows] - gained[triggered].mean()
    words = "gain in style.score without the trigger, less that with it; Student's t over prompts"
    return {"style.leak": few_prompts_mean(excess, free.prompts, pooled, scene.confidence, words)}


def take(shown: Shown, part: Part) -> Shown:
    """What was seen in the rows of one part; their pixels are not looked at again."""
    rows = part.rows
    return Shown((), _rows(shown.features, rows), _rows(shown.scores, rows))


def _rows(arrays: Mapping[str, Floats], rows: NDArray[np.int64]) -> dict[str, Floats]:
    return {name: array[rows] for name, array in arrays.items()}


def _mean(scene: Scene, values: Floats, part: Part, what: str) -> Measured:
    """Of a figure over all rows of the set, summed up over a part."""
    return clustered_mean(
        values[part.rows], part.prompts, scene.confidence, scene.seed, f"{what}; bootstrap-t over prompts"
    )


def _rate(scene: Scene, values: Floats, part: Part, what: str) -> Measured:
    return clustered_rate(values[part.rows], part.prompts, scene.confidence, f"{what}; Clopper and Pearson by prompt")


def _changes(ours: Sequence[NDArray[np.uint8]], theirs: Sequence[NDArray[np.uint8]]) -> Floats:
    return np.array([pixel_change(a, b) for a, b in zip(ours, theirs, strict=True)])


def pixel_change(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean absolute difference in 0 to 1; pictures of different shapes cannot be compared: NaN."""
    return float(np.abs(a.astype(np.int16) - b).mean() / 255) if a.shape == b.shape else float("nan")
