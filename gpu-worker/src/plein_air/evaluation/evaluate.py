"""The verb `evaluate`: what the candidate's pictures gained over the base's, each figure with honest bounds."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plein_air.durable import sha256_file, write_atomically
from plein_air.errors import Stopped, TrainerError
from plein_air.evaluation.closest import closest_pairs
from plein_air.evaluation.copying import Nearest, closeness_limit, copying_excess, copying_rate, find_nearest
from plein_air.evaluation.diversity import vendi_ratio, within_prompt_ratio
from plein_air.evaluation.features import Encoder, open_encoder
from plein_air.evaluation.intervals import Floats, Measured, clustered_mean, exact
from plein_air.evaluation.pictures import Dataset, SampleFolder, read_dataset, read_samples
from plein_air.evaluation.report import metric, report_bytes
from plein_air.evaluation.set_distances import gaussian_kernel, kid_kernel, measure_distances, median_distance
from plein_air.evaluation.style import StyleMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLOSE_QUANTILE = 0.95
"""A picture is close to a training picture when only 5 % of unseen paintings are as close to one."""

OMITTED = {
    "efficientnet-lite0": [
        ("adherence", "needs a text-image encoder such as CLIP; efficientnet-lite0 knows no words"),
        ("preference", "needs a preference model, which is not part of this encoder's profile"),
    ]
}
"""Metrics that an encoder's profile cannot measure, with the reason: left out openly, never invented."""


def run(params: dict[str, Any], emit: Any, stop: threading.Event) -> dict[str, Any]:
    """Measures and writes `report.json`: the same bytes for the same pictures, on the same kind of machine."""
    out = Path(params["out"])
    dataset = read_dataset(Path(params["dataset"]))
    candidate = read_samples(Path(params["candidateSamples"]), params["samples"])
    base = read_samples(Path(params["baseSamples"]), params["samples"])
    adapter_sha256 = sha256_file(params["adapter"])
    _check_pairing(candidate, base, adapter_sha256)
    encoder = open_encoder(params["encoder"], int(candidate.manifest["size"]))
    features = _encode_all(encoder, dataset, candidate, base, emit, stop)
    view = _View.of(features, dataset, params)
    report = {
        "format": 1,
        "encoder": {
            "name": encoder.name,
            "package": encoder.package,
            "weightsSha256": encoder.weights_sha256,
            "dimensions": encoder.dimensions,
            "side": encoder.side,
        },
        "adapterSha256": adapter_sha256,
        "samples": {
            "setSha256": candidate.manifest["setSha256"],
            "count": len(params["samples"]),
            "prompts": int(view.prompts.max()) + 1,
            "candidateManifestSha256": candidate.manifest_sha256,
            "baseManifestSha256": base.manifest_sha256,
        },
        "dataset": {
            "train": len(dataset.train),
            "unseen": len(dataset.held_out),
            "neighbours": len(dataset.neighbours),
            "files": dataset.files,
        },
        "confidence": params["confidence"],
        "seed": params["seed"],
        "metrics": {name: metric(measured) for name, measured in _metrics(view, candidate, base).items()},
        "slices": _slices(view, params["samples"]),
        "omitted": [{"metric": name, "reason": reason} for name, reason in OMITTED[encoder.name]],
        "faults": {"candidate": candidate.faults, "base": base.faults},
        "perSample": _per_sample(view, dataset, params["samples"], candidate, base),
        "closest": closest_pairs(out / "closest", view.nearest, dataset, candidate, params["samples"]),
    }
    data = report_bytes(report)
    write_atomically(out / "report.json", data)
    return {"report": str(out / "report.json"), "sha256": hashlib.sha256(data).hexdigest()}


def _check_pairing(candidate: SampleFolder, base: SampleFolder, adapter_sha256: str) -> None:
    """Pictures of another adapter, base or set would make every figure a lie."""
    made_by = candidate.manifest["adapterSha256"]
    if made_by != adapter_sha256:
        raise TrainerError(
            "InvalidInput",
            f"Expected candidate pictures of adapter {adapter_sha256}, got those of {made_by}: sample this adapter.",
        )
    if base.manifest["adapterSha256"] is not None:
        raise TrainerError("InvalidInput", "Expected base pictures without an adapter, got some with one.")
    for field in ("base", "setSha256", "software"):
        if candidate.manifest[field] != base.manifest[field]:
            raise TrainerError(
                "InvalidInput",
                f"Expected base and candidate pictures with the same {field}, got {base.manifest[field]} and "
                f"{candidate.manifest[field]}: sample both anew on one machine.",
                {"field": field},
            )


@dataclass(frozen=True)
class _Features:
    candidate: Floats
    base: Floats
    train: Floats
    unseen: Floats
    neighbours: Floats
    pixel_changes: Floats


def _encode_all(
    encoder: Encoder, dataset: Dataset, candidate: SampleFolder, base: SampleFolder, emit: Any, stop: threading.Event
) -> _Features:
    sets = [
        candidate.pixels,
        base.pixels,
        [painting.pixels for painting in dataset.train],
        [painting.pixels for painting in dataset.held_out],
        [painting.pixels for painting in dataset.neighbours],
    ]
    total, before = sum(map(len, sets)), 0
    encoded: list[Floats] = []
    for pictures in sets:
        if stop.is_set():
            raise Stopped
        offset = before
        encoded.append(encoder.features(pictures, lambda done, o=offset: emit.progress("features", o + done, total)))
        before += len(pictures)
    changes = np.array([_pixel_change(a, b) for a, b in zip(candidate.pixels, base.pixels, strict=True)])
    return _Features(*encoded, changes)  # pyright: ignore[reportCallIssue]


def _pixel_change(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean absolute difference in 0 to 1; pictures of different shapes cannot be compared: NaN."""
    return float(np.abs(a.astype(np.int16) - b).mean() / 255) if a.shape == b.shape else float("nan")


@dataclass(frozen=True)
class _View:
    """Features with what places them: prompts, groups, the map of styles, the nearest pictures."""

    features: _Features
    prompts: NDArray[np.int64]
    unseen_groups: NDArray[np.int64]
    styles: StyleMap | None
    middle: Floats
    nearest: Nearest
    base_nearest: Nearest
    confidence: float
    seed: int

    @classmethod
    def of(cls, features: _Features, dataset: Dataset, params: dict[str, Any]) -> _View:
        names = sorted({sample["promptId"] for sample in params["samples"]})
        number = {name: index for index, name in enumerate(names)}
        clusters = sorted({painting.cluster for painting in dataset.held_out})
        place = {cluster: index for index, cluster in enumerate(clusters)}
        style_names = np.array([painting.style for painting in dataset.neighbours])
        by_style = {str(name): features.neighbours[style_names == name] for name in sorted(set(style_names.tolist()))}
        styles = StyleMap.of(features.unseen, by_style) if by_style else None
        middle = features.unseen.mean(0) if styles is None else styles.middle
        return cls(
            features,
            np.array([number[sample["promptId"]] for sample in params["samples"]]),
            np.array([place[painting.cluster] for painting in dataset.held_out]),
            styles,
            middle,
            find_nearest(features.candidate, features.train, features.unseen, middle),
            find_nearest(features.base, features.train, features.unseen, middle),
            float(params["confidence"]),
            int(params["seed"]),
        )

    def mean(self, values: Floats, what: str) -> Measured:
        """Mean of a per-picture figure with bounds by prompt."""
        return clustered_mean(values, self.prompts, self.confidence, self.seed, f"{what}; bootstrap-t over prompts")


def _metrics(view: _View, candidate: SampleFolder, base: SampleFolder) -> dict[str, Measured]:
    f = view.features
    n = len(view.prompts)
    metrics: dict[str, Measured] = {
        "integrity.broken": exact(float(len(candidate.faults)), n, "count of pictures NaN, blank or of a wrong size"),
        "integrity.baseBroken": exact(float(len(base.faults)), n, "count of pictures NaN, blank or of a wrong size"),
        "effect.pixels": view.mean(f.pixel_changes, "mean absolute change of a pixel against the base, 0 to 1"),
    }
    for name, kernel in (("kid", kid_kernel), ("cmmd", gaussian_kernel(median_distance(f.unseen)))):
        distances = measure_distances(
            candidate=f.candidate,
            base=f.base,
            reference=f.unseen,
            prompts=view.prompts,
            reference_groups=view.unseen_groups,
            kernel=kernel,
            confidence=view.confidence,
        )
        metrics |= {
            f"{name}.candidate": distances.candidate,
            f"{name}.base": distances.base,
            f"{name}.improvement": distances.improvement,
        }
    if view.styles is not None:
        own, of_base = view.styles.margins(f.candidate), view.styles.margins(f.base)
        metrics |= {
            "style.margin": view.mean(own, "cosine to the style's centroid minus the best to a neighbour's"),
            "style.baseMargin": view.mean(of_base, "cosine to the style's centroid minus the best to a neighbour's"),
            "style.marginGain": view.mean(own - of_base, "gain in style margin, paired by prompt and seed"),
        }
    seen, unseen = f.candidate - view.middle, f.base - view.middle
    sizes = (len(f.train), len(f.unseen))
    limit = closeness_limit(f.train, f.unseen, view.middle, CLOSE_QUANTILE)
    metrics |= {
        "diversity.vendi": vendi_ratio(seen, unseen, view.prompts, view.confidence),
        "diversity.withinPrompt": within_prompt_ratio(seen, unseen, view.prompts, view.confidence),
        "copying.excess": copying_excess(view.nearest, sizes, view.prompts, view.confidence, view.seed),
        "copying.baseExcess": copying_excess(view.base_nearest, sizes, view.prompts, view.confidence, view.seed),
        "copying.close": copying_rate(view.nearest, limit, view.prompts, view.confidence, view.seed),
    }
    return metrics


def _slices(view: _View, samples: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Style margin of each genre, so that a genre that lost does not hide in the mean."""
    if view.styles is None:
        return []
    own, of_base = view.styles.margins(view.features.candidate), view.styles.margins(view.features.base)
    genres = np.array([sample["genre"] for sample in samples])
    slices: list[dict[str, Any]] = []
    for genre in sorted(set(genres.tolist())):
        rows = np.flatnonzero(genres == genre)
        _, prompts = np.unique(view.prompts[rows], return_inverse=True)
        figures = {
            "style.margin": own[rows],
            "style.marginGain": own[rows] - of_base[rows],
        }
        slices.append(
            {
                "genre": genre,
                "metrics": {
                    name: metric(
                        clustered_mean(values, prompts, view.confidence, view.seed, "bootstrap-t over prompts")
                    )
                    for name, values in figures.items()
                },
            }
        )
    return slices


def _per_sample(
    view: _View, dataset: Dataset, samples: list[dict[str, str]], candidate: SampleFolder, base: SampleFolder
) -> list[dict[str, Any]]:
    f = view.features
    own = view.styles.margins(f.candidate) if view.styles else np.full(len(samples), np.nan)
    of_base = view.styles.margins(f.base) if view.styles else np.full(len(samples), np.nan)
    rivals = view.styles.nearest_neighbour(f.candidate) if view.styles else [None] * len(samples)
    return [
        {
            "id": sample["id"],
            "promptId": sample["promptId"],
            "genre": sample["genre"],
            "styleMargin": float(own[row]),
            "baseStyleMargin": float(of_base[row]),
            "nearestStyle": rivals[row],
            "pixelChange": float(f.pixel_changes[row]),
            "nearestTrain": dataset.train[view.nearest.train[row]].id,
            "nearestTrainCosine": float(view.nearest.train_cosine[row]),
            "nearestUnseen": dataset.held_out[view.nearest.held_out[row]].id,
            "nearestUnseenCosine": float(view.nearest.held_out_cosine[row]),
            "fault": candidate.faults.get(sample["id"]),
            "baseFault": base.faults.get(sample["id"]),
        }
        for row, sample in enumerate(samples)
    ]
