"""Loaders of the metrics' models, on small random ones in the formats that the real ones are published in."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import painted_sets
import small_models
from conftest import NoEvents
from painted_sets import SAMPLES, flat, strokes
from plein_air.errors import TrainerError
from plein_air.evaluation import encoding
from plein_air.evaluation import evaluate as evaluating
from plein_air.evaluation.features import Encoder
from plein_air.evaluation.model_weights import open_csd, open_sscd
from plein_air.evaluation.models import (
    CLIP_PIXELS,
    IMAGENET_PIXELS,
    ModelFolder,
    normalized,
    open_clip,
    open_dinov2,
    open_questions,
)

PICTURES = [np.asarray(strokes(i)) for i in range(3)] + [np.asarray(flat(i)) for i in range(2)]


def folder(role: str, path: Path) -> ModelFolder:
    return ModelFolder(role, f"some/{role}", "c" * 40, str(path))


def batch(side: int) -> np.ndarray:
    from plein_air.evaluation.features import square

    return np.stack([square(picture, side) for picture in PICTURES])


def test_dinov2_gives_the_class_token_of_each_picture_on_its_own(tmp_path: Path) -> None:
    encoder = open_dinov2(folder("features", small_models.dinov2(tmp_path / "dino")))
    features = encoder.features(PICTURES)
    assert features.shape == (5, 24) and encoder.side == 224
    assert np.allclose(encoder.features(PICTURES[:1]), features[:1], atol=1e-6)
    assert len(encoder.weights_sha256) == 64


def test_clip_embeds_pictures_and_words_as_transformers_does(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, CLIPModel

    path = small_models.clip(tmp_path / "clip")
    opened = open_clip(folder("clip", path))
    texts = ["a river", "a man in blue", "a river", "apples", "a boat"]
    embedded = opened.pictures.features(PICTURES)
    scores = opened.scores(embedded, texts)
    model = CLIPModel.from_pretrained(path).eval()
    tokens = AutoTokenizer.from_pretrained(path)(texts, padding="max_length", max_length=32, return_tensors="pt")
    with torch.inference_mode():
        expected = model(pixel_values=normalized(batch(32), CLIP_PIXELS), **tokens)
        logits = expected.logits_per_image.diagonal() / model.logit_scale.exp()
    assert scores == pytest.approx(logits.double().numpy(), abs=1e-5)
    assert np.linalg.norm(embedded, axis=1) == pytest.approx(1)


def test_csd_is_what_its_description_says(tmp_path: Path) -> None:
    torch.manual_seed(4)
    model = small_models.Csd().eval()
    encoder = open_csd(folder("style", small_models.save_bare(model, tmp_path / "csd")))
    with torch.inference_mode():
        expected = model(normalized(batch(32), CLIP_PIXELS)).double().numpy()
    assert encoder.features(PICTURES) == pytest.approx(expected, abs=1e-5)


def test_sscd_is_what_its_description_says(tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = small_models.Sscd().eval()
    encoder = open_sscd(folder("copies", small_models.save_bare(model, tmp_path / "sscd")))
    with torch.inference_mode():
        expected = model(normalized(batch(288), IMAGENET_PIXELS)).double().numpy()
    assert encoder.features(PICTURES) == pytest.approx(expected, abs=1e-5)


def test_vqascore_is_the_probability_of_yes(tmp_path: Path) -> None:
    ask = open_questions(folder("questions", small_models.llava(tmp_path / "llava")))
    answers = ask(PICTURES, ["a b", "a c", "a b", "d", "e"], None)
    assert answers.shape == (5,) and ((answers > 0) & (answers < 1)).all()
    other = ask(PICTURES[:1], ["x y z"], None)
    assert other[0] != answers[0], "the words must matter"
    assert ask([PICTURES[3]], ["a b"], None)[0] != answers[0], "the picture must matter"


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    path = small_models.clip(tmp_path / "clip")
    torch.save({}, path / "pytorch_model.bin")
    (path / "model.safetensors").unlink()
    with pytest.raises(TrainerError, match="only safetensors are loaded"):
        open_clip(folder("clip", path))


def test_a_model_of_another_kind_and_one_with_a_hole_are_refused_by_field(tmp_path: Path) -> None:
    path = small_models.dinov2(tmp_path / "dino")
    with pytest.raises(TrainerError, match=r"'clip' is needed \(evaluation.models.clip\)"):
        open_clip(folder("clip", path))
    model = small_models.Csd()
    del model.backbone.ln_pre
    with pytest.raises(TrainerError, match="pre_layrnorm"):
        open_csd(folder("style", small_models.save_bare(model, tmp_path / "csd")))
    with pytest.raises(TrainerError, match="weights without last_layer_style"):
        open_csd(folder("style", small_models.save_bare(small_models.Sscd(), tmp_path / "sscd")))


def test_a_report_has_a_figure_of_every_model_that_is_named(tmp_path: Path) -> None:
    torch.manual_seed(6)
    paths = {
        "clip": small_models.clip(tmp_path / "clip"),
        "preference": small_models.clip(tmp_path / "taste", seed=9),
        "style": small_models.save_bare(small_models.Csd(), tmp_path / "csd"),
        "copies": small_models.save_bare(small_models.Sscd(), tmp_path / "sscd"),
        "features": small_models.dinov2(tmp_path / "dino"),
        "questions": small_models.llava(tmp_path / "llava"),
    }
    report = measured(tmp_path, paths)
    assert {
        "adherence.clipGain",
        "adherence.vqaGain",
        "csd.gain",
        "preference.winRate",
        "gaussianMmd.improvement",
    } <= set(report["metrics"])
    assert all(m["low"] is not None for name, m in report["metrics"].items() if name.endswith(("Gain", ".gain")))
    assert 0 < report["metrics"]["preference.winRate"]["estimate"] < 1
    assert [m["role"] for m in report["models"]] == list(paths)
    assert report["encoder"]["name"] == "dinov2-base"
    assert report["closest"][0]["trainCosine"] <= 1 + 1e-9
    left_out = [entry["metric"] for entry in report["omitted"]]
    assert left_out == ["parity", "heldOut.loss"]
    scores = set(report["perSample"][0]["scores"])
    assert {"csd.similarity", "adherence.clip", "adherence.vqa", "preference.score"} <= scores
    assert {"style.score", "content.shown", "appearance.wayUp"} <= scores


def test_every_painting_is_judged_once_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two checkpoints are compared on the held-out split, then the gate asks the test split: as `work.ts` forecasts it."""
    torch.manual_seed(6)
    paths = {
        "clip": small_models.clip(tmp_path / "clip"),
        "style": small_models.save_bare(small_models.Csd(), tmp_path / "csd"),
        "copies": small_models.dinov2(tmp_path / "copies"),
        "features": small_models.dinov2(tmp_path / "dino"),
    }
    judged: Counter[str] = Counter()
    plain = Encoder.features

    def counted(self: Encoder, pictures: Any, *rest: Any) -> Any:
        judged["features" if self.name == "dinov2-base" else self.name] += len(pictures)
        return plain(self, pictures, *rest)

    monkeypatch.setattr(Encoder, "features", counted)
    monkeypatch.setattr(encoding, "_CACHE", {})
    chosen_by = {role: paths[role] for role in ("features", "copies")}
    for place, (models, reference) in enumerate([(chosen_by, "held_out"), (chosen_by, "held_out"), (paths, "test")]):
        (tmp_path / str(place)).mkdir()
        measured(tmp_path / str(place), models, reference)
    samples = 2 * len(SAMPLES)
    # 48 training pictures, 16 held out, 8 of the test split, 24 of other styles; copies of the style's are sought mirrored, too.
    assert judged["features"] - 3 * samples == 48 + 16 + 8 + 24
    assert judged["copies"] - 3 * samples == 2 * (48 + 16 + 8) + 24
    assert judged["clip"] - samples == judged["style"] - samples == 8


def measured(tmp_path: Path, paths: dict[str, Path], reference: str = "test") -> dict[str, Any]:
    import hashlib
    import json

    adapter = tmp_path / "adapter.safetensors"
    adapter.write_bytes(b"adapter")
    sha = hashlib.sha256(b"adapter").hexdigest()
    ours = painted_sets.write_samples(tmp_path / "ours", [strokes(9000 + i) for i in range(len(SAMPLES))], sha)
    base = painted_sets.write_samples(tmp_path / "base", [flat(8000 + i) for i in range(len(SAMPLES))], None)
    dataset = tmp_path / "dataset"
    painted_sets.write_dataset(dataset)
    models = [
        {"role": role, "repo": f"some/{role}", "commit": "c" * 40, "path": str(path)} for role, path in paths.items()
    ]
    params = {
        "base": "unused", "adapter": str(adapter), "dataset": str(dataset), "baseSamples": str(base),
        "candidateSamples": str(ours), "rivals": [], "parity": None, "encoder": "dinov2-base", "models": models,
        "samples": SAMPLES, "heldOutLoss": None, "confidence": 0.95, "seed": 0, "reference": reference,
        "out": str(tmp_path / "report"),
    }  # fmt: skip
    evaluating.run(params, NoEvents(), threading.Event())
    return json.loads((tmp_path / "report" / "report.json").read_text())
