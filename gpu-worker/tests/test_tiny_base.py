"""The shipped tiny base, and the parts that build it."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from plein_air.tiny_base.pictures import Picture, captions_of, draw_form, read_pictures
from plein_air.tiny_base.stage import Stage

BASE = Path(__file__).parents[1] / "tiny-base"


@pytest.fixture(scope="module")
def pipeline():
    from diffusers import FluxPipeline

    torch.set_num_threads(1)
    loaded = FluxPipeline.from_pretrained(BASE, torch_dtype=torch.float32)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def paint(pipeline, prompt: str, seed: int = 3) -> np.ndarray:
    picture = pipeline(
        prompt,
        height=128,
        width=128,
        num_inference_steps=8,
        guidance_scale=1.0,
        max_sequence_length=pipeline.tokenizer_2.model_max_length,
        generator=torch.Generator().manual_seed(seed),
    ).images[0]
    return np.asarray(picture, dtype=np.float32)


def test_the_shipped_base_weighs_at_most_12_mb() -> None:
    assert sum(file.stat().st_size for file in BASE.rglob("*.safetensors")) <= 12_000_000


def test_the_shipped_base_has_the_classes_of_flux_1_dev() -> None:
    index = json.loads((BASE / "model_index.json").read_text())
    classes = {name: value[1] for name, value in index.items() if isinstance(value, list) and value[1]}
    assert classes == {
        "scheduler": "FlowMatchEulerDiscreteScheduler",
        "text_encoder": "CLIPTextModel",
        "text_encoder_2": "T5EncoderModel",
        "tokenizer": "CLIPTokenizer",
        "tokenizer_2": "T5Tokenizer",
        "transformer": "FluxTransformer2DModel",
        "vae": "AutoencoderKL",
    }


def test_the_same_seed_paints_the_same_picture(pipeline) -> None:
    prompt = "a landscape painting, Realism"
    assert np.array_equal(paint(pipeline, prompt), paint(pipeline, prompt))


def test_a_picture_is_neither_flat_nor_noise(pipeline) -> None:
    picture = paint(pipeline, "a landscape painting of a river with trees at dusk, Realism")
    assert picture.shape == (128, 128, 3)
    assert picture.std() > 12
    coarse = picture.reshape(16, 8, 16, 8, 3).mean((1, 3))
    assert coarse.std() > 0.5 * picture.std()


def test_the_style_in_the_caption_changes_the_picture(pipeline) -> None:
    smooth = paint(pipeline, "a landscape painting, Baroque")
    dotted = paint(pipeline, "a landscape painting, Pointillism")
    assert np.abs(smooth - dotted).mean() > 10
    assert smooth.mean() < dotted.mean()


def test_the_vae_returns_what_it_was_given_closely(pipeline) -> None:
    ramp = torch.linspace(-0.8, 0.8, 128).view(1, 1, 128, 1).expand(1, 3, 128, 128)
    with torch.no_grad():
        decoded = pipeline.vae.decode(pipeline.vae.encode(ramp).latent_dist.mean).sample
    assert (decoded - ramp).abs().mean().item() < 0.15


def test_every_letter_of_an_unknown_word_survives_both_tokenizers(pipeline) -> None:
    clip, t5 = pipeline.tokenizer, pipeline.tokenizer_2
    assert "zxqj" in clip.decode(clip("zxqj").input_ids)
    assert t5.unk_token_id not in t5("zxqj!").input_ids
    assert clip.unk_token_id not in clip("zürich").input_ids[1:-1]


def test_a_word_means_the_same_to_t5_whatever_its_case(pipeline) -> None:
    t5, table = pipeline.tokenizer_2, pipeline.text_encoder_2.get_input_embeddings().weight
    lower, upper = (t5(word).input_ids[0] for word in ("cubism", "Cubism"))
    assert lower != upper
    assert torch.equal(table[lower], table[upper])


def test_captions_use_the_words_of_the_prepare_phase() -> None:
    captions = captions_of(Picture("Ukiyo_e", "landscape", "a river at dusk"))
    assert "a landscape painting, Ukiyo-e" in captions
    assert "a landscape painting of a river at dusk, Ukiyo-e" in captions
    assert "" in captions


def test_some_captions_are_dropped() -> None:
    source = random.Random(1)
    drawn = [draw_form(source) for _ in range(2000)]
    share = drawn.count(len(captions_of(Picture("Cubism", "portrait", "a man"))) - 1) / len(drawn)
    assert 0.05 < share < 0.11


def test_the_rate_before_the_fall_does_not_depend_on_the_number_of_steps() -> None:
    short, long = (Stage("s", steps, None, lambda _: None) for steps in (100, 1000))
    assert [short.rate(step, 1.0, 10) for step in range(70)] == [long.rate(step, 1.0, 10) for step in range(70)]
    assert math.isclose(short.rate(99, 1.0, 10), 1 / 30)


def test_training_that_was_cut_off_ends_in_the_same_weights(tmp_path: Path) -> None:
    from plein_air.tiny_base.vae import train_vae

    torch.set_num_threads(1)
    pictures = np.random.default_rng(1).integers(0, 255, (4, 3, 32, 32), dtype=np.uint8)

    def train(file: Path | None, log: Callable[[str], None] = lambda _: None) -> dict[str, torch.Tensor]:
        return train_vae(pictures, stage=Stage("vae", 72, file, log), seed=5).state_dict()

    def cut_off_after_step_50(line: str) -> None:
        if line.startswith("vae step 50/"):
            raise KeyboardInterrupt

    whole = train(None)
    kept = tmp_path / "vae.pt"
    with pytest.raises(KeyboardInterrupt):
        train(kept, cut_off_after_step_50)
    lines: list[str] = []
    resumed = train(kept, lines.append)
    assert lines[0] == "vae: going on from step 50"
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_training_set_of_another_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pictures.jsonl").write_text('{"style": "Cubism", "genre": "portrait", "content": "a man"}\n')
    (tmp_path / "pictures.rgb").write_bytes(bytes(64 * 64 * 3))
    with pytest.raises(ValueError, match="Expected 49152 bytes"):
        read_pictures(tmp_path, 128)
