"""The verb `evaluate`: what the candidate's pictures gained over the base's and over releases', with honest bounds."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plein_air.atomic_io import sha256_file, write_atomically
from plein_air.errors import TrainerError
from plein_air.evaluation.closest import closest_pairs
from plein_air.evaluation.content import Content
from plein_air.evaluation.encoding import LEFT_OUT, Encoding, Seen
from plein_air.evaluation.figures import (
    gains,
    leak,
    outside,
    own_figures,
    per_picture,
    pixel_change,
    progress,
    retained,
    slice_gains,
)
from plein_air.evaluation.intervals import Measured, clustered_mean, exact
from plein_air.evaluation.models import ModelFolder
from plein_air.evaluation.pictures import Dataset, SampleFolder, read_dataset, read_samples
from plein_air.evaluation.report import metric, report_bytes
from plein_air.evaluation.scene import Part, Scene, Shown
from plein_air.session import forget_all


@dataclass(frozen=True)
class Rival:
    """A release that the candidate is compared with."""

    name: str
    tag: str
    samples: SampleFolder
    shown: Shown


@dataclass(frozen=True)
class Pictures:
    """All pictures of an evaluation, checked to be what they should be."""

    dataset: Dataset
    candidate: SampleFolder
    base: SampleFolder
    ours: Shown
    theirs: Shown
    rivals: list[Rival]

    @classmethod
    def read(cls, params: dict[str, Any], adapter_sha256: str) -> Pictures:
        """Reads every set; one that was made by another model, base or set is refused."""
        samples = params["samples"]
        candidate = read_samples(Path(params["candidateSamples"]), samples)
        base = read_samples(Path(params["baseSamples"]), samples)
        _check_pairing(candidate, base, adapter_sha256)
        rivals: list[Rival] = []
        for asked in params.get("rivals", []):
            prompts = [{**sample, "prompt": prompt} for sample, prompt in zip(samples, asked["prompts"], strict=True)]
            folder = read_samples(Path(asked["samples"]), prompts)
            _check_rival(folder, candidate, asked)
            rivals.append(Rival(asked["name"], asked["tag"], folder, Shown(folder.pixels)))
        dataset = read_dataset(Path(params["dataset"]), params["reference"])
        return cls(dataset, candidate, base, Shown(candidate.pixels), Shown(base.pixels), rivals)


def run(params: dict[str, Any], emit: Any, stop: threading.Event) -> dict[str, Any]:
    """Measures and writes `report.json`: the same bytes for the same pictures, on the same kind of machine."""
    # The base, 24 GB of it, and the models that judge do not fit on one card of 40 GB.
    forget_all()
    out = Path(params["out"])
    samples: list[dict[str, Any]] = params["samples"]
    adapter_sha256 = sha256_file(params["adapter"])
    pictures = Pictures.read(params, adapter_sha256)
    folders = [ModelFolder(**model) for model in params.get("models", [])]
    texts = [sample.get("text", sample["prompt"]) for sample in samples]
    shown = [pictures.ours, pictures.theirs, *(rival.shown for rival in pictures.rivals)]
    side = int(pictures.candidate.manifest["size"])
    seen = Encoding(folders, emit, stop).run(params["encoder"], side, pictures.dataset, shown, texts)
    scene = Scene.of(pictures.dataset, seen, pictures.theirs, float(params["confidence"]), int(params["seed"]))
    content = _content(samples, pictures.dataset, seen)
    for one in shown:
        scene.look_at(one, pictures.theirs, content)
    part = Part.of(samples, [sample.get("trigger", True) for sample in samples])
    encoder = seen.encoder
    report = {
        "format": 1,
        "encoder": {
            "name": encoder.name,
            "package": encoder.package,
            "weightsSha256": encoder.weights_sha256,
            "dimensions": encoder.dimensions,
            "side": encoder.side,
        },
        "models": [
            {"role": f.role, "repo": f.repo, "commit": f.commit, "weightsSha256": f.weights_sha256()} for f in folders
        ],
        "adapterSha256": adapter_sha256,
        "samples": {
            "setSha256": pictures.candidate.manifest["setSha256"],
            "count": len(samples),
            "prompts": len({sample["promptId"] for sample in samples}),
            "candidateManifestSha256": pictures.candidate.manifest_sha256,
            "baseManifestSha256": pictures.base.manifest_sha256,
        },
        "dataset": {
            "train": len(pictures.dataset.train),
            "unseen": len(pictures.dataset.unseen),
            "reference": params["reference"],
            "neighbors": len(pictures.dataset.neighbors),
            "files": pictures.dataset.files,
        },
        "confidence": params["confidence"],
        "seed": params["seed"],
        "metrics": _entries(_metrics(scene, pictures, part, samples) | _checks(params, pictures, scene)),
        "slices": _slices(scene, pictures.ours, pictures.theirs, samples, part),
        "comparisons": [_comparison(scene, pictures, rival, part, samples) for rival in pictures.rivals],
        "omitted": _omitted(params, {folder.role for folder in folders}),
        "faults": {"candidate": pictures.candidate.faults, "base": pictures.base.faults},
        "perSample": _per_sample(scene, pictures, samples),
        "closest": closest_pairs(
            out / "closest", scene.nearest(pictures.ours), pictures.dataset, pictures.candidate, samples
        ),
    }
    data = report_bytes(report)
    write_atomically(out / "report.json", data)
    return {"report": str(out / "report.json"), "sha256": hashlib.sha256(data).hexdigest()}


def _content(samples: list[dict[str, Any]], dataset: Dataset, seen: Seen) -> Content:
    """What the samples ask for, learnt from paintings of every style: a probe of one style would not know the base's."""
    genres = [painting.genre for painting in (*dataset.train, *dataset.neighbors)]
    return Content.of(samples, genres, np.concatenate([seen.train_set, seen.neighbors]))


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


def _check_rival(folder: SampleFolder, candidate: SampleFolder, asked: dict[str, Any]) -> None:
    """A release may stand on another base, but it must be the one that was asked for, painted in the same way."""
    made_by = folder.manifest["adapterSha256"]
    if made_by != asked["adapterSha256"]:
        raise TrainerError(
            "InvalidInput",
            f"Expected pictures of {asked['name']} {asked['tag']} ({asked['adapterSha256']}), got those of {made_by}: "
            "sample that release.",
        )
    for name in ("size", "inferenceSteps", "guidance", "precision", "software"):
        if folder.manifest[name] != candidate.manifest[name]:
            raise TrainerError(
                "InvalidInput",
                f"Expected {asked['name']} to be sampled with the same {name}, got {folder.manifest[name]} and "
                f"{candidate.manifest[name]}: sample both anew on one machine.",
                {"field": name},
            )


def _entries(figures: dict[str, Measured]) -> dict[str, Any]:
    return {name: metric(measured) for name, measured in figures.items()}


def _metrics(scene: Scene, pictures: Pictures, part: Part, samples: list[dict[str, Any]]) -> dict[str, Measured]:
    figures = own_figures(scene, pictures.ours, part)
    of_base = own_figures(scene, pictures.theirs, part)
    gained, distances = gains(scene, pictures.ours, pictures.theirs, part)
    for name, found in distances.items():
        figures |= {f"{name}.candidate": found.candidate, f"{name}.base": found.base}
    for name, measured in of_base.items():
        group, what = name.split(".")
        figures[f"{group}.base{what[0].upper()}{what[1:]}"] = measured
    figures |= scene.copies.figures(pictures.ours.scores["copying.likeness"], scene.confidence)
    figures["appearance.outside"] = outside(scene, pictures.ours, pictures.theirs, part)
    return (
        figures
        | gained
        | progress(scene, pictures.ours, pictures.theirs, part)
        | leak(scene, pictures.ours, pictures.theirs, samples)
    )


def _checks(params: dict[str, Any], pictures: Pictures, scene: Scene) -> dict[str, Measured]:
    """Integrity: whole pictures, the same pictures from the file read again and in the precision that is served."""
    n = len(pictures.ours.pixels)
    words = "count of pictures NaN, blank or of a wrong size"
    figures = {
        "integrity.broken": exact(float(len(pictures.candidate.faults)), n, words),
        "integrity.baseBroken": exact(float(len(pictures.base.faults)), n, words),
    }
    if params.get("heldOutLoss") is not None:
        figures["heldOut.loss"] = exact(float(params["heldOutLoss"]), 0, "of the checkpoint, measured in training")
    parity = params.get("parity")
    if parity is not None:
        again, _ = _again(Path(parity["reload"]), params["samples"], pictures.ours)
        worst = max((float(np.abs(a.astype(np.int16) - b).max() / 255) for a, b in again), default=float("nan"))
        figures["parity.reload"] = exact(
            worst, len(again), "largest change of a pixel when the exported file is loaded and sampled again, 0 to 1"
        )
        if parity["servedAsJudged"]:
            figures["parity.deployed"] = exact(0.0, len(again), "served as it was judged: nothing to compare")
        elif parity["deployed"] is not None:
            figures["parity.deployed"] = _deployed(parity, params["samples"], pictures.ours, scene)
    return figures


def _deployed(parity: dict[str, Any], samples: list[dict[str, Any]], ours: Shown, scene: Scene) -> Measured:
    """How far what is served is from what was judged; a folder is never compared with itself."""
    folders = [Path(parity[name]) for name in ("reload", "deployed")]
    held = [json.loads((folder / "manifest.json").read_bytes()).get("precision") for folder in folders]
    if held[0] == held[1]:
        raise TrainerError(
            "InvalidInput",
            f"Expected pictures painted as they are served, got pictures in {held[1]}, as they were judged.",
            {"field": "parity.deployed"},
        )
    served, prompts = _again(folders[1], samples, ours)
    return clustered_mean(
        np.array([pixel_change(a, b) for a, b in served]), prompts, scene.confidence, scene.seed,
        f"mean absolute change of a pixel in {parity['deployedPrecision']}, as it is served; bootstrap-t over prompts",
    )  # fmt: skip


def _again(folder: Path, samples: list[dict[str, Any]], ours: Shown) -> tuple[list[tuple[Any, Any]], Any]:
    """Pairs of a second sampling's pictures and the first one's, with the prompt that each pair is of."""
    made = {entry["id"] for entry in json.loads((folder / "manifest.json").read_bytes())["samples"]}
    rows = [row for row, sample in enumerate(samples) if sample["id"] in made]
    pictures = read_samples(folder, [samples[row] for row in rows]).pixels
    part = Part.of([samples[row] for row in rows], [True] * len(rows))
    return [(picture, ours.pixels[row]) for picture, row in zip(pictures, rows, strict=True)], part.prompts


def _omitted(params: dict[str, Any], roles: set[str]) -> list[dict[str, Any]]:
    left = [LEFT_OUT[role] for role in LEFT_OUT if role not in roles]
    parity = params.get("parity")
    if parity is None:
        left.append(("parity", "the candidate was not sampled a second time"))
    if params.get("heldOutLoss") is None:
        left.append(("heldOut.loss", "the training measured none"))
    entries: list[dict[str, Any]] = [{"metric": name, "reason": reason} for name, reason in left]
    if parity is not None and parity["unchecked"] is not None:
        entries.append({"metric": "parity.deployed", "reason": parity["unchecked"], "unchecked": True})
    return entries


def _slices(
    scene: Scene, ours: Shown, theirs: Shown, samples: list[dict[str, Any]], part: Part
) -> list[dict[str, Any]]:
    """Figures of each part of the set and of the sealed prompts, so that what lost does not hide in the mean."""
    found = slice_gains(scene, ours, theirs, samples)
    parts = [(name, (found.names == name).tolist()) for name in sorted(set(found.names.tolist()))]
    sealed = [sample.get("sealed", False) and sample.get("trigger", True) for sample in samples]
    if any(sealed):
        parts.append(("sealed", sealed))
    return [{"genre": name, "metrics": _entries(found.of(Part.of(samples, wanted)))} for name, wanted in parts]


def _comparison(
    scene: Scene, pictures: Pictures, rival: Rival, part: Part, samples: list[dict[str, Any]]
) -> dict[str, Any]:
    ours, base = pictures.ours, pictures.theirs
    gained, distances = gains(scene, ours, rival.shown, part)
    own = {f"{name}.{rival.name}": found.base for name, found in distances.items()}
    own |= {f"{name}.{rival.name}": found for name, found in own_figures(scene, rival.shown, part).items()}
    return {
        "name": rival.name,
        "tag": rival.tag,
        "adapterSha256": rival.samples.manifest["adapterSha256"],
        "manifestSha256": rival.samples.manifest_sha256,
        "metrics": _entries(gained | own | retained(scene, ours, rival.shown, base, part)),
        "slices": _slices(scene, ours, rival.shown, samples, part),
    }


def _per_sample(scene: Scene, pictures: Pictures, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    own, of_base = per_picture(scene, pictures.ours), per_picture(scene, pictures.theirs)
    unknown = np.full(len(samples), np.nan)
    margins, base_margins = own.get("style.margin", unknown), of_base.get("style.margin", unknown)
    features = pictures.ours.features["set"]
    rivals = scene.styles.nearest_neighbor(features) if scene.styles else [None] * len(samples)
    nearest = scene.nearest(pictures.ours)
    return [
        {
            "id": sample["id"],
            "promptId": sample["promptId"],
            "genre": sample["genre"],
            "styleMargin": float(margins[row]),
            "baseStyleMargin": float(base_margins[row]),
            "nearestStyle": rivals[row],
            "pixelChange": pixel_change(pictures.ours.pixels[row], pictures.theirs.pixels[row]),
            "nearestTrain": pictures.dataset.train[nearest.train[row]].id,
            "nearestTrainCosine": float(nearest.train_cosine[row]),
            "nearestUnseen": pictures.dataset.unseen[nearest.held_out[row]].id,
            "nearestUnseenCosine": float(nearest.held_out_cosine[row]),
            "scores": {name: float(values[row]) for name, values in own.items() if name != "style.margin"},
            "fault": pictures.candidate.faults.get(sample["id"]),
            "baseFault": pictures.base.faults.get(sample["id"]),
        }
        for row, sample in enumerate(samples)
    ]
