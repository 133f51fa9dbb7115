"""The figures of a report: a model's own, and what it gained over another one, picture by picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plein_air.evaluation.copying import copying_excess, copying_increase, copying_rate
from plein_air.evaluation.diversity import unit_rows, vendi_ratio, within_prompt_ratio
from plein_air.evaluation.intervals import Floats, Measured, clustered_mean
from plein_air.evaluation.scene import Shown
from plein_air.evaluation.set_distances import Distances, measure_distances

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from plein_air.evaluation.scene import Part, Scene

MARGIN = "cosine to the style's centroid minus the best to a neighbor's"


def own_figures(scene: Scene, ours: Shown, part: Part) -> dict[str, Measured]:
    """Figures of one model on its own."""
    nearest = scene.nearest(take(ours, part))
    sizes = (len(scene.train), len(scene.unseen["copies"]))
    figures = {
        "copying.excess": copying_excess(nearest, sizes, part.prompts, scene.confidence),
        "copying.close": copying_rate(nearest, scene.limit, part.prompts, scene.confidence),
    }
    for name, values in per_picture(scene, ours).items():
        figures[name] = _mean(scene, values[part.rows], part, _WORDS[name])
    return figures


_WORDS = {
    "style.margin": MARGIN,
    "csd.similarity": "cosine of CSD's style descriptors to the centroid of unseen paintings",
    "adherence.clip": "cosine of picture and words in CLIP's space",
    "adherence.vqa": 'probability of "Yes" to whether the picture shows the words',
    "preference.score": "the preference model's score",
}


def per_picture(scene: Scene, ours: Shown) -> dict[str, Floats]:
    """Every figure that each picture has on its own, by name, over all rows of the set."""
    values: dict[str, Floats] = {}
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
            scene, _changes(a.pixels, b.pixels), part, "mean absolute change of a pixel against the base, 0 to 1"
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


def slice_gains(scene: Scene, ours: Shown, theirs: Shown, part: Part) -> dict[str, Measured]:
    """The figures that a few prompts are enough for: those of single pictures, with their gains."""
    own = {
        name: _mean(scene, values[part.rows], part, _WORDS[name]) for name, values in per_picture(scene, ours).items()
    }
    return own | _paired(scene, ours, theirs, part)


_GAINS = {
    "style.margin": "style.marginGain",
    "csd.similarity": "csd.gain",
    "adherence.clip": "adherence.clipGain",
    "adherence.vqa": "adherence.vqaGain",
}


def _paired(scene: Scene, ours: Shown, theirs: Shown, part: Part) -> dict[str, Measured]:
    mine, other = per_picture(scene, ours), per_picture(scene, theirs)
    figures = {
        gain: _mean(scene, (mine[name] - other[name])[part.rows], part, f"gain in {name}, paired by prompt and seed")
        for name, gain in _GAINS.items()
        if name in mine and name in other
    }
    if "preference.score" in mine and "preference.score" in other:
        ahead = mine["preference.score"] - other["preference.score"]
        wins = 1 / (1 + np.exp(-ahead[part.rows]))
        figures["preference.winRate"] = _mean(scene, wins, part, "chance that a person prefers ours, paired")
    return figures


def take(shown: Shown, part: Part) -> Shown:
    """The rows of one part."""
    rows = part.rows
    return Shown([shown.pixels[row] for row in rows], _rows(shown.features, rows), _rows(shown.scores, rows))


def _rows(arrays: Mapping[str, Floats], rows: NDArray[np.int64]) -> dict[str, Floats]:
    return {name: array[rows] for name, array in arrays.items()}


def _mean(scene: Scene, values: Floats, part: Part, what: str) -> Measured:
    return clustered_mean(values, part.prompts, scene.confidence, scene.seed, f"{what}; bootstrap-t over prompts")


def _changes(ours: list[NDArray[np.uint8]], theirs: list[NDArray[np.uint8]]) -> Floats:
    return np.array([pixel_change(a, b) for a, b in zip(ours, theirs, strict=True)])


def pixel_change(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean absolute difference in 0 to 1; pictures of different shapes cannot be compared: NaN."""
    return float(np.abs(a.astype(np.int16) - b).mean() / 255) if a.shape == b.shape else float("nan")
