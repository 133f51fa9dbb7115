"""Painting the standard samples: the same bytes however often the work was cut off."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import NoEvents
from plein_air.errors import Stopped, TrainerError
from plein_air.evaluation import sample as sampling

PROMPTS = ["a landscape painting of a river", "a portrait painting of a woman in blue", "a still life painting"]
SAMPLES = [
    {"id": f"p{number}-s{seed}", "prompt": prompt, "seed": 10 * number + seed}
    for number, prompt in enumerate(PROMPTS)
    for seed in range(2)
]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pictures of 64 pixels at once, so that six make three batches."""
    monkeypatch.setattr(sampling, "_BATCH_PIXELS", 2 * 64 * 64)


def adapter_file(folder: Path, scale: float) -> Path:
    """A LoRA on the small base's attention, all of one value."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    name = "transformer.transformer_blocks.0.attn.to_q"
    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"{name}.lora_A.weight": torch.randn(4, 32, generator=generator),
        f"{name}.lora_B.weight": torch.randn(32, 4, generator=generator) * scale,
    }
    save_file(tensors, folder / "pytorch_lora_weights.safetensors")
    return folder / "pytorch_lora_weights.safetensors"


def paint(
    base: Path, out: Path, events: Any = None, stop: threading.Event | None = None, **changes: Any
) -> dict[str, Any]:
    params = {
        "base": str(base),
        "adapter": None,
        "adapterScale": 1,
        "samples": SAMPLES,
        "size": 64,
        "inferenceSteps": 2,
        "guidance": 1,
        "precision": "fp32",
        "quantization": "none",
        "offloadBlocks": 0,
        "out": str(out),
    }
    return sampling.run({**params, **changes}, events or NoEvents(), stop or threading.Event())


def contents(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


class StopAfter(NoEvents):
    """Asks to stop once so many pictures are there."""

    def __init__(self, pictures: int) -> None:
        super().__init__()
        self.pictures = pictures
        self.stop = threading.Event()

    def progress(self, stage: str, done: int, total: int) -> None:
        if done >= self.pictures:
            self.stop.set()


@pytest.fixture(scope="module")
def whole(small_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("whole")
    pixels = sampling._BATCH_PIXELS
    sampling._BATCH_PIXELS = 2 * 64 * 64
    try:
        return out, paint(small_base, out)
    finally:
        sampling._BATCH_PIXELS = pixels


def test_every_picture_is_there_with_its_hash_in_the_manifest(whole: tuple[Path, dict[str, Any]]) -> None:
    out, result = whole
    manifest = json.loads((out / "manifest.json").read_bytes())
    assert [entry["id"] for entry in manifest["samples"]] == [sample["id"] for sample in SAMPLES]
    for entry in manifest["samples"]:
        assert contents(out)[f"{entry['id']}.png"] == entry["sha256"]
        assert Image.open(out / f"{entry['id']}.png").size == (64, 64)
    assert result == {"images": 6, "reused": 0, "manifestSha256": contents(out)["manifest.json"]}


def test_every_request_gets_a_picture_of_its_own(whole: tuple[Path, dict[str, Any]]) -> None:
    assert len(set(contents(whole[0]).values())) == 7


def test_done_again_it_paints_nothing_and_says_the_same(whole: tuple[Path, dict[str, Any]], small_base: Path) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in whole[0].glob("*.png")}
    again = paint(small_base, whole[0])
    assert again == {**whole[1], "reused": 6}
    assert {file.name: file.stat().st_mtime_ns for file in whole[0].glob("*.png")} == before


@pytest.mark.parametrize("pictures", [0, 2, 4])
def test_stopped_and_gone_on_it_leaves_the_same_bytes(
    pictures: int, whole: tuple[Path, dict[str, Any]], small_base: Path, tmp_path: Path
) -> None:
    events = StopAfter(pictures)
    with pytest.raises(Stopped):
        paint(small_base, tmp_path, events, events.stop)
    assert len(list(tmp_path.glob("*.png"))) == pictures
    assert not (tmp_path / "manifest.json").exists()
    assert paint(small_base, tmp_path)["reused"] == pictures
    assert contents(tmp_path) == contents(whole[0])


def test_one_missing_picture_of_a_batch_comes_back_with_the_same_bytes(
    whole: tuple[Path, dict[str, Any]], small_base: Path, tmp_path: Path
) -> None:
    paint(small_base, tmp_path)
    (tmp_path / f"{SAMPLES[3]['id']}.png").unlink()
    assert paint(small_base, tmp_path)["reused"] == 5
    assert contents(tmp_path) == contents(whole[0])


def test_a_damaged_picture_is_painted_again(
    whole: tuple[Path, dict[str, Any]], small_base: Path, tmp_path: Path
) -> None:
    paint(small_base, tmp_path)
    cut, flipped = (tmp_path / f"{SAMPLES[i]['id']}.png" for i in (0, 1))
    os.truncate(cut, cut.stat().st_size // 2)
    with Image.open(flipped) as image:
        text = image.text  # pyright: ignore[reportAttributeAccessIssue]
        pixels = np.asarray(image).copy()
    pixels[0, 0] ^= 1
    from PIL.PngImagePlugin import PngInfo

    seal = PngInfo()
    for key, value in text.items():
        seal.add_text(key, value)
    Image.fromarray(pixels).save(flipped, pnginfo=seal)
    assert paint(small_base, tmp_path)["reused"] == 4
    assert contents(tmp_path) == contents(whole[0])


def test_pictures_of_other_settings_are_not_taken_for_these(small_base: Path, tmp_path: Path) -> None:
    paint(small_base, tmp_path)
    assert paint(small_base, tmp_path, inferenceSteps=3)["reused"] == 0
    assert paint(small_base, tmp_path, inferenceSteps=3, guidance=2)["reused"] == 0


def test_an_adapter_changes_the_pictures_and_leaves_the_base_as_it_was(
    whole: tuple[Path, dict[str, Any]], small_base: Path, tmp_path: Path
) -> None:
    adapter = adapter_file(tmp_path / "adapter", 1.0)
    result = paint(small_base, tmp_path / "candidate", adapter=str(adapter))
    assert result["reused"] == 0
    names = [f"{sample['id']}.png" for sample in SAMPLES]
    assert not {contents(tmp_path / "candidate")[n] for n in names} & {contents(whole[0])[n] for n in names}
    paint(small_base, tmp_path / "after")
    assert contents(tmp_path / "after") == contents(whole[0])


def test_an_adapter_without_effect_paints_the_base_s_pixels(
    whole: tuple[Path, dict[str, Any]], small_base: Path, tmp_path: Path
) -> None:
    adapter = adapter_file(tmp_path / "adapter", 0.0)
    paint(small_base, tmp_path / "candidate", adapter=str(adapter))
    for sample in SAMPLES:
        ours, theirs = (Image.open(folder / f"{sample['id']}.png") for folder in (tmp_path / "candidate", whole[0]))
        assert np.abs(np.asarray(ours).astype(int) - np.asarray(theirs)).max() <= 1


def test_a_picture_that_is_not_a_number_is_marked(small_base: Path, tmp_path: Path) -> None:
    paint(small_base, tmp_path / "nan", adapter=str(adapter_file(tmp_path / "adapter", float("nan"))))
    manifest = json.loads((tmp_path / "nan" / "manifest.json").read_bytes())
    assert all(entry["nonFinite"] for entry in manifest["samples"])


def test_the_identity_of_a_set_is_the_one_that_typescript_computes() -> None:
    # The text of `sampleSetText` in test/domain/evaluation/sample-set.test.ts.
    text = '["plein-air sample set 1",128,12,1,"fp32",[["a","x",1]]]'
    settings = {"size": 128, "inferenceSteps": 12, "guidance": 1.0, "precision": "fp32"}
    found = sampling.set_sha256([{"id": "a", "prompt": "x", "seed": 1}], settings)
    assert found == hashlib.sha256(text.encode()).hexdigest()
    accented = sampling.set_sha256([{"id": "a", "prompt": "café", "seed": 1}], settings)
    assert accented == hashlib.sha256(text.replace('"x"', '"café"').encode()).hexdigest()


def test_a_missing_adapter_is_refused_by_name(small_base: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="Expected a LoRA file at adapter, got none at"):
        paint(small_base, tmp_path, adapter=str(tmp_path / "none.safetensors"))


def test_an_id_that_comes_twice_is_refused(small_base: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="p0-s0 more than once"):
        paint(small_base, tmp_path, samples=[SAMPLES[0], SAMPLES[0]])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_base_in_a_short_type_paints_nearly_the_same_picture(
    small_base: Path, tmp_path: Path, precision: str
) -> None:
    for kind in ("fp32", precision):
        paint(small_base, tmp_path / kind, precision=kind)
    one, other = (
        np.asarray(Image.open(tmp_path / kind / f"{SAMPLES[0]['id']}.png")).astype(float)
        for kind in ("fp32", precision)
    )
    assert 0 < np.abs(one - other).mean() < 8
