"""A whole evaluation of pictures whose truth is known, with the real encoder."""

from __future__ import annotations

import hashlib
import json
import threading
import tracemalloc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import painted_sets
from conftest import NoEvents
from painted_sets import SAMPLES, flat, rings, strokes, write_samples
from plein_air.errors import Stopped, TrainerError
from plein_air.evaluation import copying, encoding, pictures
from plein_air.evaluation import evaluate as evaluating
from plein_air.evaluation.copying import near_to_others
from plein_air.evaluation.probes import RIDGE, Probe
from plein_air.evaluation.set_distances import kid_kernel, mmd2
from plein_air.protocol.schema import load_schema

COUNT = len(SAMPLES)
ADAPTER = b"an adapter"
ADAPTER_SHA256 = hashlib.sha256(ADAPTER).hexdigest()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A dataset of strokes, a base that paints flat pictures, and an adapter's file."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "adapter.safetensors").write_bytes(ADAPTER)
    return {
        "dataset": painted_sets.write_dataset(folder / "dataset"),
        "base": write_samples(folder / "base", [flat(i) for i in range(COUNT)], None),
        "adapter": folder / "adapter.safetensors",
    }


def measure(world: dict[str, Path], candidate: Path, out: Path, **changes: Any) -> dict[str, Any]:
    params = {
        "base": "unused",
        "adapter": str(world["adapter"]),
        "dataset": str(world["dataset"]),
        "baseSamples": str(world["base"]),
        "candidateSamples": str(candidate),
        "encoder": "efficientnet-lite0",
        "samples": SAMPLES,
        "confidence": 0.95,
        "seed": 0,
        "reference": "test",
        "out": str(out),
    }
    result = evaluating.run({**params, **changes}, NoEvents(), threading.Event())
    data = Path(result["report"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == result["sha256"]
    return json.loads(data)


def figures(world: dict[str, Path], folder: Path, pictures: list[Image.Image]) -> dict[str, Any]:
    """Metrics of a candidate that paints these pictures."""
    candidate = write_samples(folder / "candidate", pictures, ADAPTER_SHA256)
    return measure(world, candidate, folder / "report")["metrics"]


@pytest.fixture(scope="module")
def trained(world: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A candidate that learnt the strokes, and the report about it."""
    folder = tmp_path_factory.mktemp("trained")
    candidate = write_samples(folder / "candidate", [strokes(9000 + i) for i in range(COUNT)], ADAPTER_SHA256)
    return folder, measure(world, candidate, folder / "report")


def test_a_model_that_learnt_the_style_gains_on_every_count(trained: tuple[Path, dict[str, Any]]) -> None:
    metrics = trained[1]["metrics"]
    assert metrics.keys() <= set(load_schema()["metrics"]), "add the new metric to src/domain/evaluation/metrics.ts"
    for name in ("kid.improvement", "gaussianMmd.improvement", "style.margin", "style.marginGain"):
        assert metrics[name]["low"] > 0, name
    assert metrics["effect.pixels"]["low"] > 0.05
    assert metrics["copying.close"]["high"] < 0.3
    assert metrics["integrity.broken"]["estimate"] == 0


def test_its_distance_to_unseen_paintings_is_about_zero(trained: tuple[Path, dict[str, Any]]) -> None:
    kid = trained[1]["metrics"]["kid.candidate"]
    assert kid["low"] <= 0.02 <= trained[1]["metrics"]["kid.base"]["low"]


def test_an_adapter_without_effect_gains_exactly_nothing(world: dict[str, Path], tmp_path: Path) -> None:
    metrics = figures(world, tmp_path, [flat(i) for i in range(COUNT)])
    for name in ("kid.improvement", "gaussianMmd.improvement", "style.marginGain", "effect.pixels"):
        assert (metrics[name]["low"], metrics[name]["high"]) == (0, 0), name


def test_another_draw_from_the_base_is_no_improvement(world: dict[str, Path], tmp_path: Path) -> None:
    metrics = figures(world, tmp_path, [flat(7000 + i) for i in range(COUNT)])
    assert metrics["kid.improvement"]["low"] <= 0 <= metrics["kid.improvement"]["high"]
    assert metrics["style.marginGain"]["low"] <= 0 <= metrics["style.marginGain"]["high"]


def test_a_collapse_to_one_good_picture_fails_diversity_alone(world: dict[str, Path], tmp_path: Path) -> None:
    metrics = figures(world, tmp_path, [strokes(9000)] * COUNT)
    assert metrics["style.marginGain"]["low"] > 0, "the style itself is right"
    assert metrics["diversity.vendi"]["high"] < 0.5
    assert metrics["diversity.withinPrompt"]["high"] < 0.3


def test_a_copyist_fails_copying_alone(world: dict[str, Path], tmp_path: Path) -> None:
    metrics = figures(world, tmp_path, [strokes(i) for i in range(COUNT)])
    assert metrics["copying.close"]["low"] > 0.3
    assert metrics["copying.excess"]["low"] > 0.3
    assert metrics["kid.improvement"]["low"] > 0, "by distance it looks perfect"


def test_the_closest_pairs_show_whom_a_copyist_copied(world: dict[str, Path], tmp_path: Path) -> None:
    candidate = write_samples(tmp_path / "candidate", [strokes(i) for i in range(COUNT)], ADAPTER_SHA256)
    pair = measure(world, candidate, tmp_path / "report")["closest"][0]
    assert pair["trainCosine"] == pytest.approx(1, abs=1e-6)
    picture = np.asarray(Image.open(tmp_path / "report" / pair["picture"]))
    side = painted_sets.SIDE
    assert (picture[:, :side] == picture[:, side + 4 : 2 * side + 4]).all()


def test_a_model_of_the_wrong_style_loses_margin_to_its_neighbor(world: dict[str, Path], tmp_path: Path) -> None:
    candidate = write_samples(tmp_path / "candidate", [rings(500 + i) for i in range(COUNT)], ADAPTER_SHA256)
    report = measure(world, candidate, tmp_path / "report")
    assert report["metrics"]["style.margin"]["high"] < 0
    assert {sample["nearestStyle"] for sample in report["perSample"]} == {"Rings"}


def test_blank_and_wrongly_sized_pictures_are_counted(world: dict[str, Path], tmp_path: Path) -> None:
    pictures = [strokes(9000 + i) for i in range(COUNT)]
    pictures[0] = Image.new("RGB", (64, 64), (128, 128, 128))
    pictures[1] = pictures[1].resize((32, 32))
    candidate = write_samples(tmp_path / "candidate", pictures, ADAPTER_SHA256)
    report = measure(world, candidate, tmp_path / "report")
    assert report["metrics"]["integrity.broken"]["estimate"] == 2
    assert report["faults"]["candidate"] == {SAMPLES[0]["id"]: "blank", SAMPLES[1]["id"]: "size"}
    assert report["metrics"]["effect.pixels"]["low"] is None, "pictures of other sizes cannot be compared"


def test_a_picture_that_was_not_a_number_is_counted(world: dict[str, Path], tmp_path: Path) -> None:
    candidate = write_samples(tmp_path / "candidate", [strokes(9000 + i) for i in range(COUNT)], ADAPTER_SHA256)
    manifest = json.loads((candidate / "manifest.json").read_text())
    manifest["samples"][5]["nonFinite"] = True
    (candidate / "manifest.json").write_text(json.dumps(manifest))
    assert measure(world, candidate, tmp_path / "report")["faults"]["candidate"] == {SAMPLES[5]["id"]: "nan"}


def test_the_same_pictures_give_the_same_bytes(
    world: dict[str, Path], trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    measure(world, trained[0] / "candidate", tmp_path)
    ours, theirs = (sorted(f for f in d.rglob("*") if f.is_file()) for d in (tmp_path, trained[0] / "report"))
    assert [f.read_bytes() for f in ours] == [f.read_bytes() for f in theirs]


def test_the_report_names_what_it_measured_with_and_what_it_left_out(trained: tuple[Path, dict[str, Any]]) -> None:
    report = trained[1]
    assert report["encoder"]["name"] == "efficientnet-lite0"
    assert len(report["encoder"]["weightsSha256"]) == 64
    assert report["adapterSha256"] == ADAPTER_SHA256
    assert report["dataset"]["unseen"] == 8
    assert "adherence.clip" in [entry["metric"] for entry in report["omitted"]]
    assert "adherence.clip" not in report["metrics"]


def test_every_genre_has_a_slice_of_its_own(trained: tuple[Path, dict[str, Any]]) -> None:
    slices = trained[1]["slices"]
    assert [s["genre"] for s in slices] == ["landscape", "portrait"]
    assert all(s["metrics"]["style.marginGain"]["n"] == COUNT / 2 for s in slices)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adapterSha256": "0" * 64}, "Expected candidate pictures of adapter"),
        ({"setSha256": "6" * 64}, "with the same setSha256"),
        ({"base": {"vae": "2"}}, "with the same base"),
        ({"software": {"torch": "3"}}, "with the same software"),
    ],
)
def test_pictures_that_were_not_made_alike_are_refused(
    world: dict[str, Path], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    pictures = [strokes(9000 + i) for i in range(COUNT)]
    candidate = write_samples(tmp_path / "candidate", pictures, ADAPTER_SHA256, **change)
    with pytest.raises(TrainerError, match=message):
        measure(world, candidate, tmp_path / "report")


def test_a_picture_changed_after_sampling_is_refused(world: dict[str, Path], tmp_path: Path) -> None:
    candidate = write_samples(tmp_path / "candidate", [strokes(9000 + i) for i in range(COUNT)], ADAPTER_SHA256)
    (candidate / f"{SAMPLES[0]['id']}.png").write_bytes(painted_sets.png(strokes(1)))
    with pytest.raises(TrainerError, match="Expected the picture") as caught:
        measure(world, candidate, tmp_path / "report")
    assert caught.value.kind == "Corrupt"


def test_a_set_that_asked_something_else_is_refused(world: dict[str, Path], tmp_path: Path) -> None:
    candidate = write_samples(tmp_path / "candidate", [strokes(9000 + i) for i in range(COUNT)], ADAPTER_SHA256)
    other = [{**SAMPLES[0], "prompt": "something else"}, *SAMPLES[1:]]
    with pytest.raises(TrainerError, match="base and candidate need the same set"):
        measure(world, candidate, tmp_path / "report", samples=other)


def test_an_unknown_encoder_is_named(
    world: dict[str, Path], trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(TrainerError, match="DINOv2 repository"):
        measure(world, trained[0] / "candidate", tmp_path, encoder="dinov2-base")


def test_it_ends_when_asked_to_stop(
    world: dict[str, Path], trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        evaluating.run(
            {
                "adapter": str(world["adapter"]), "dataset": str(world["dataset"]), "baseSamples": str(world["base"]),
                "candidateSamples": str(trained[0] / "candidate"), "encoder": "efficientnet-lite0", "samples": SAMPLES,
                "confidence": 0.95, "seed": 0, "reference": "test", "out": str(tmp_path),
            },
            NoEvents(),
            stop,
        )  # fmt: skip


SETTINGS = {"inferenceSteps": 2, "guidance": 1, "precision": "fp32"}


def with_settings(folder: Path) -> Path:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **SETTINGS}))
    return folder


def test_a_candidate_is_compared_with_production_picture_by_picture(world: dict[str, Path], tmp_path: Path) -> None:
    pictures = [strokes(9000 + i) for i in range(COUNT)]
    candidate = with_settings(write_samples(tmp_path / "candidate", pictures, ADAPTER_SHA256))
    production = with_settings(write_samples(tmp_path / "production", [flat(i) for i in range(COUNT)], "7" * 64))
    rival = {
        "name": "production", "tag": "v3", "adapterSha256": "7" * 64, "samples": str(production),
        "prompts": [sample["prompt"] for sample in SAMPLES],
    }  # fmt: skip
    sealed = [{**sample, "sealed": sample["genre"] == "portrait"} for sample in SAMPLES]
    report = measure(world, candidate, tmp_path / "report", rivals=[rival], samples=sealed)
    [comparison] = report["comparisons"]
    assert (comparison["name"], comparison["tag"], comparison["adapterSha256"]) == ("production", "v3", "7" * 64)
    assert comparison["metrics"]["style.marginGain"]["low"] > 0
    assert comparison["metrics"]["kid.improvement"]["low"] > 0
    assert [part["genre"] for part in comparison["slices"]] == ["landscape", "portrait", "sealed"]
    with pytest.raises(TrainerError, match="sample that release"):
        measure(world, candidate, tmp_path / "report", rivals=[{**rival, "adapterSha256": "8" * 64}])


def test_an_adapter_that_paints_otherwise_when_it_is_loaded_again_shows(world: dict[str, Path], tmp_path: Path) -> None:
    pictures = [strokes(9000 + i) for i in range(COUNT)]
    candidate = write_samples(tmp_path / "candidate", pictures, ADAPTER_SHA256)
    other = write_samples(
        tmp_path / "again", [pictures[0], *(strokes(1 + i) for i in range(COUNT - 1))], ADAPTER_SHA256
    )
    served = write_samples(tmp_path / "served", pictures, ADAPTER_SHA256, precision="bf16")
    for reload, expected in ((candidate, 0), (other, 0.5)):
        parity = {
            "reload": str(reload), "deployed": str(served), "deployedPrecision": "bf16", "servedAsJudged": False,
            "unchecked": None,
        }  # fmt: skip
        metrics = measure(world, candidate, tmp_path / "report", parity=parity)["metrics"]
        assert metrics["parity.reload"]["estimate"] >= expected
        assert (metrics["parity.reload"]["estimate"] == 0) == (expected == 0)
        assert metrics["parity.deployed"]["high"] == 0


def test_what_is_served_is_never_compared_with_itself(
    world: dict[str, Path], trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    candidate = trained[0] / "candidate"
    parity: dict[str, Any] = {"reload": str(candidate), "deployedPrecision": "bf16"}
    with pytest.raises(TrainerError, match="painted as they are served"):
        same = {**parity, "deployed": str(candidate), "servedAsJudged": False, "unchecked": None}
        measure(world, candidate, tmp_path, parity=same)
    full = {**parity, "deployed": None, "servedAsJudged": False, "unchecked": "it does not fit"}
    report = measure(world, candidate, tmp_path, parity=full)
    assert "parity.deployed" not in report["metrics"]
    assert {"metric": "parity.deployed", "reason": "it does not fit", "unchecked": True} in report["omitted"]


def test_prompts_without_the_trigger_stay_out_of_every_figure_but_their_own(
    world: dict[str, Path], tmp_path: Path
) -> None:
    pictures = [strokes(9000 + i) if s["genre"] == "landscape" else flat(i) for i, s in enumerate(SAMPLES)]
    candidate = write_samples(tmp_path / "candidate", pictures, ADAPTER_SHA256)
    free = [{**sample, "trigger": sample["genre"] == "landscape"} for sample in SAMPLES]
    whole, some = (measure(world, candidate, tmp_path / "report", samples=s)["metrics"] for s in (SAMPLES, free))
    assert some["style.margin"]["n"] == COUNT / 2
    assert some["style.margin"]["estimate"] > whole["style.margin"]["estimate"] + 0.2


def test_no_more_than_a_few_pictures_are_in_memory(
    world: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features are kept of 104 paintings and 96 samples; pixels only while one batch of them is described."""
    alive: list[weakref.ref[Any]] = []
    most = 0
    decode = pictures._decode

    def counted(data: bytes) -> Any:
        nonlocal most
        picture = decode(data)
        alive.append(weakref.ref(picture))
        most = max(most, sum(ref() is not None for ref in alive[-400:]))
        return picture

    monkeypatch.setattr(pictures, "_decode", counted)
    monkeypatch.setattr(encoding, "_CACHE", {})
    candidate = write_samples(tmp_path / "candidate", [strokes(i) for i in range(COUNT)], ADAPTER_SHA256)
    measure(world, candidate, tmp_path / "report")
    assert len(alive) > 3 * 104
    # A batch of paintings, or the originals that copies are planted of and what they are blended with.
    assert most <= 2 * copying.PLANTED + 4


def test_many_paintings_are_compared_in_little_memory() -> None:
    """Rows that grow with the dataset are compared a few at a time: no matrix of all against all."""
    rng = np.random.default_rng(0)
    count = 3000
    rows, unseen = rng.normal(0, 1, (count, 12)), rng.normal(0, 1, (50, 12))
    answers = np.sign(rows[:, :1])
    tracemalloc.start()
    try:
        near_to_others(np.stack([rows, -rows], 1), np.stack([unseen, -unseen], 1), np.arange(count))
        mmd2(unseen, rows, kid_kernel)
        probe = Probe.fit(rows, answers)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < count * count * 8 / 2
    assert np.abs(probe.weights[:, 0]).argmax() == 0


@pytest.mark.parametrize("count", [6, 40])
def test_a_probe_is_the_same_from_few_rows_and_from_many(count: int) -> None:
    """Ridge regression by its definition, whichever matrix is the smaller one."""
    rng = np.random.default_rng(1)
    rows, answers = rng.normal(3, 2, (count, 12)), rng.normal(0, 1, (count, 2))
    probe = Probe.fit(rows, answers)
    x, y = (rows - rows.mean(0)) / (rows.std(0) + 1e-6), answers - answers.mean(0)
    stacked = np.concatenate([x, np.sqrt(RIDGE * count) * np.eye(12)])
    least = np.linalg.lstsq(stacked, np.concatenate([y, np.zeros((12, 2))]), rcond=None)[0]
    np.testing.assert_allclose(probe.weights, least, rtol=1e-8, atol=1e-12)
