"""An exported adapter is the trained one, whatever the format."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import NoEvents
from plein_air.atomic_io import sha256_file
from plein_air.exporting import export
from plein_air.families.flux1.kohya import from_kohya, to_kohya
from plein_air.tensor_file import read_header, read_tensors
from plein_air.training.adapter import FILE, header_config, rank_and_alpha


def run(checkpoint: str, out: Path, sabotage: str = "none", date: str = "2026-11-30") -> dict[str, dict[str, Any]]:
    params = {
        "checkpoint": checkpoint,
        "out": str(out),
        "formats": ["diffusers", "kohya"],
        "about": {
            "title": "A title",
            "trigger": "plnr impressionism",
            "author": "studio",
            "license": "apache-2.0",
            "base": "studio/base@0123456",
            "resolution": 64,
            "date": date,
        },
        "sabotage": sabotage,
    }
    result = export.run(params, NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]
    return {file["format"]: file for file in result["files"]}


def trained_of(whole_run: dict[str, Any]) -> dict[str, Any]:
    return read_tensors(Path(whole_run["checkpoint"]) / FILE)


def test_the_exported_update_is_the_trained_one_with_alpha_equal_to_rank(whole_run, tmp_path):
    file = run(whole_run["checkpoint"], tmp_path)["diffusers"]
    assert file["sha256"] == sha256_file(file["path"])
    assert file["bytes"] == Path(file["path"]).stat().st_size
    assert rank_and_alpha(Path(whole_run["checkpoint"]) / FILE) == (4, 8)
    assert rank_and_alpha(Path(file["path"])) == (4, 4)
    trained, exported = trained_of(whole_run), read_tensors(file["path"])
    assert exported.keys() == trained.keys()
    for name, tensor in trained.items():
        assert exported[name].equal(tensor * 2 if ".lora_B." in name else tensor), name


def test_the_header_has_what_older_diffusers_read_and_nothing_that_an_older_peft_refuses(whole_run, tmp_path):
    from dataclasses import fields

    from peft import LoraConfig

    file = Path(run(whole_run["checkpoint"], tmp_path)["diffusers"]["path"])
    config = header_config(file)
    # diffusers 0.34 to 0.39 take these without a default.
    assert {"rank_pattern", "alpha_pattern", "target_modules", "r", "lora_alpha"} <= config.keys()
    # Fields that came to LoraConfig after peft 0.15.
    newer = {"peft_version", "use_qalora", "target_parameters", "ensure_weight_tying", "lora_ga_config", "use_bdlora"}
    assert not newer & config.keys()
    assert config.keys() <= {field.name for field in fields(LoraConfig)} | {"peft_type"}


def test_the_kohya_file_has_the_same_bytes_each_time(whole_run, tmp_path):
    one, two = run(whole_run["checkpoint"], tmp_path / "1"), run(whole_run["checkpoint"], tmp_path / "2")
    assert one["kohya"]["sha256"] == two["kohya"]["sha256"]
    later = run(whole_run["checkpoint"], tmp_path / "3", date="2026-12-01")
    assert later["diffusers"]["sha256"] == one["diffusers"]["sha256"]
    assert later["kohya"]["sha256"] != one["kohya"]["sha256"]


@pytest.mark.parametrize("kind", ["diffusers", "kohya"])
def test_the_header_says_what_model_browsers_and_trainers_look_for(whole_run, tmp_path, kind):
    path = Path(run(whole_run["checkpoint"], tmp_path)[kind]["path"])
    metadata = read_header(path)[1]
    data = path.read_bytes()
    tensors = data[8 + int.from_bytes(data[:8], "little") :]
    expected = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "flux-1-dev/lora",
        "modelspec.title": "A title",
        "modelspec.author": "studio",
        "modelspec.license": "apache-2.0",
        "modelspec.resolution": "64x64",
        "modelspec.trigger_phrase": "plnr impressionism",
        # As sd-scripts and the WebUI hash a LoRA: what comes after the header.
        "sshs_model_hash": hashlib.sha256(tensors).hexdigest(),
        "modelspec.hash_sha256": "0x" + hashlib.sha256(tensors).hexdigest(),
    }
    if kind == "kohya":
        expected |= {
            "modelspec.date": "2026-11-30",
            "ss_base_model_version": "flux1",
            "ss_network_module": "networks.lora_flux",
            "ss_sd_model_name": "studio/base@0123456",
            "ss_network_dim": "Dynamic",
        }
    assert expected.items() <= metadata.items()


def test_the_kohya_file_converts_back_to_the_exported_matrices_bit_for_bit(whole_run, tmp_path):
    files = run(whole_run["checkpoint"], tmp_path)
    trained = read_tensors(files["diffusers"]["path"])
    kohya = read_tensors(files["kohya"]["path"])
    downs = {n.removesuffix(".lora_down.weight"): t for n, t in kohya.items() if n.endswith(".lora_down.weight")}
    assert all(float(kohya[f"{stem}.alpha"]) == down.shape[0] for stem, down in downs.items())
    restored = from_kohya(read_tensors(files["kohya"]["path"]))
    assert restored.keys() == trained.keys()
    assert all(restored[name].equal(trained[name]) for name in trained)


@pytest.mark.parametrize("layers", [("to_q", "to_k", "to_v"), ("to_q", "to_k", "to_v", "mlp")])
def test_diffusers_own_converter_reads_the_kohya_file_as_the_same_update(layers):
    """At FLUX.1-dev's width, because that converter knows no other."""
    import torch
    from diffusers.loaders.lora_conversion_utils import _convert_kohya_flux_lora_to_diffusers

    def pair(name: str, rows: int, columns: int, seed: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return {
            f"transformer.{name}.lora_A.weight": torch.randn(2, columns, generator=generator),
            f"transformer.{name}.lora_B.weight": torch.randn(rows, 2, generator=generator),
        }

    trained: dict[str, torch.Tensor] = {}
    for seed, layer in enumerate(layers):
        single = "proj_mlp" if layer == "mlp" else f"attn.{layer}"
        trained |= pair(f"single_transformer_blocks.0.{single}", 12288 if layer == "mlp" else 3072, 3072, seed)
        if layer != "mlp":
            trained |= pair(f"transformer_blocks.0.attn.{layer}", 3072, 3072, 10 + seed)
    converted = _convert_kohya_flux_lora_to_diffusers(to_kohya(trained, alpha=6.0))
    for name in [n.removesuffix(".lora_A.weight") for n in trained if n.endswith("A.weight")]:
        ours = trained[f"{name}.lora_B.weight"] @ trained[f"{name}.lora_A.weight"] * (6.0 / 2)
        theirs = converted[f"{name}.lora_B.weight"] @ converted[f"{name}.lora_A.weight"]
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-4), name


@settings(max_examples=20, deadline=None)
@given(rank=st.integers(1, 5), width=st.sampled_from([4, 8]), blocks=st.integers(1, 3), alpha=st.floats(0.5, 64))
def test_any_adapter_survives_the_way_to_kohya_and_back(rank, width, blocks, alpha):
    import torch

    generator = torch.Generator().manual_seed(rank * 100 + width)
    trained = {}
    for index in range(blocks):
        for layer, rows in (("attn.to_q", 1), ("attn.to_k", 1), ("attn.to_v", 1), ("proj_mlp", 4), ("norm.linear", 3)):
            name = f"transformer.single_transformer_blocks.{index}.{layer}"
            trained[f"{name}.lora_A.weight"] = torch.rand(rank, width, generator=generator) + 0.1
            trained[f"{name}.lora_B.weight"] = torch.rand(rows * width, rank, generator=generator) + 0.1
    restored = from_kohya(to_kohya(trained, alpha))
    assert restored.keys() == trained.keys()
    assert all(restored[name].equal(trained[name]) for name in trained)


def test_a_sabotaged_adapter_has_no_effect_in_any_format(whole_run, tmp_path):
    files = run(whole_run["checkpoint"], tmp_path, "zero-lora")
    for name, tensor in read_tensors(files["diffusers"]["path"]).items():
        assert bool(tensor.any()) == (".lora_A." in name)
    assert not any(t.any() for n, t in read_tensors(files["kohya"]["path"]).items() if "lora_up" in n)


def test_diffusers_loads_the_file_and_predicts_what_the_trainer_predicted(whole_run, tmp_path, small_base):
    import torch

    from conftest import TRAINING
    from plein_air.families import open_base
    from plein_air.families.flux1.pipeline import _pipeline
    from plein_air.loading import LoadOptions
    from plein_air.protocol.decode import decode
    from plein_air.training.adapter import fresh_adapter
    from plein_air.training.settings import Training

    file = run(whole_run["checkpoint"], tmp_path)["diffusers"]
    base = open_base(str(small_base), LoadOptions("fp32"))
    generator = torch.Generator().manual_seed(1)
    inputs = {
        "hidden_states": torch.randn(1, 16, 64, generator=generator),
        "timestep": torch.tensor([0.4]),
        "guidance": torch.tensor([1.0]),
        "pooled_projections": torch.randn(1, 32, generator=generator),
        "encoder_hidden_states": torch.randn(1, 24, 32, generator=generator),
        "txt_ids": torch.zeros(24, 3),
        "img_ids": torch.zeros(16, 3),
        "return_dict": False,
    }
    with torch.no_grad(), fresh_adapter(base, decode(Training, TRAINING)) as adapter:
        adapter.load(trained_of(whole_run))
        ours = base.transformer()(**inputs)[0]
    pipeline = _pipeline(base)
    with torch.no_grad():
        plain = base.transformer()(**inputs)[0]
        pipeline.load_lora_weights(str(Path(file["path"]).parent), weight_name=FILE)
        theirs = base.transformer()(**inputs)[0]
        pipeline.unload_lora_weights()
        after = base.transformer()(**inputs)[0]
    assert torch.equal(ours, theirs)
    assert not torch.allclose(ours, plain)
    assert torch.equal(after, plain)


def test_diffusers_paints_the_same_pictures_with_the_file_as_the_trainer_did_while_it_trained(
    whole_run, tmp_path, small_base, dataset, cache
):
    from conftest import TRAINING
    from plein_air.encoding.store import Store
    from plein_air.families import open_base
    from plein_air.families.flux1.pipeline import _pipeline
    from plein_air.loading import LoadOptions
    from plein_air.protocol.decode import decode
    from plein_air.training.adapter import fresh_adapter
    from plein_air.training.samples import Samples
    from plein_air.training.settings import Sampling, Training
    from plein_air.training.validation_images import ValidationImages

    file = run(whole_run["checkpoint"], tmp_path)["diffusers"]
    base = open_base(str(small_base), LoadOptions("fp32"))
    splits = [Samples(str(dataset), split, Store(cache), base) for split in ("train", "held_out")]
    images = ValidationImages(base, Sampling(64, 3, 1.0), splits[0], splits[1], str(tmp_path))

    def painted(step: int) -> str:
        return images.generate(step, lambda: None)[1]

    with fresh_adapter(base, decode(Training, TRAINING)) as adapter:
        adapter.load(trained_of(whole_run))
        ours = painted(1)
    plain = painted(2)
    pipeline = _pipeline(base)
    pipeline.load_lora_weights(str(Path(file["path"]).parent), weight_name=FILE)
    theirs = painted(3)
    pipeline.unload_lora_weights()
    assert ours == theirs
    assert ours != plain
