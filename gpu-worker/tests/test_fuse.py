"""Whole transformers with the adapter in their weights paint what base and adapter paint together."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from conftest import NoEvents
from plein_air import session
from plein_air.atomic_io import sha256_file
from plein_air.errors import TrainerError
from plein_air.exporting import whole
from plein_air.families import open_base
from plein_air.families.flux1.pipeline import _pipeline
from plein_air.loading import LoadOptions
from plein_air.tensor_file import pack_tensors, read_shapes, read_tensors
from test_quantized import TINY, predict


@pytest.fixture(autouse=True)
def fresh_session(monkeypatch):
    monkeypatch.setattr(session, "_models", {})


@pytest.fixture(scope="session")
def adapter(tmp_path_factory) -> Path:
    """An adapter of the tiny base with an effect, in diffusers' format, alpha twice its rank."""
    import torch

    generator = torch.Generator().manual_seed(5)
    tensors: dict[str, torch.Tensor] = {}
    for name, (_, shape) in read_shapes(TINY / "transformer" / whole.WEIGHTS).items():
        if ".attn.to_" in name and name.endswith(".weight"):
            stem = "transformer." + name.removesuffix(".weight")
            tensors[f"{stem}.lora_A.weight"] = torch.randn(4, shape[1], generator=generator) * 0.1
            tensors[f"{stem}.lora_B.weight"] = torch.randn(shape[0], 4, generator=generator) * 0.1
    file = tmp_path_factory.mktemp("adapter") / "pytorch_lora_weights.safetensors"
    file.write_bytes(pack_tensors(tensors, header(tensors)))
    return file


def header(tensors: dict[str, Any]) -> dict[str, str]:
    targets = sorted({name.removeprefix("transformer.").split(".lora_")[0] for name in tensors})
    fields = {"r": 4, "lora_alpha": 8, "target_modules": targets, "peft_type": "LORA"}
    return {"format": "pt", "lora_adapter_metadata": json.dumps({f"transformer.{k}": v for k, v in fields.items()})}


def fuse(adapter: Path, out: Path, *kinds: str, base: Path = TINY) -> dict[str, dict[str, Any]]:
    params = {
        "base": str(base),
        "adapter": str(adapter),
        "kinds": list(kinds),
        "precision": "bf16",
        "out": str(out),
    }
    made = whole.run(params, NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]
    return {variant["kind"]: variant for variant in made["variants"]}


def with_adapter(adapter: Path, dtype: Any) -> Any:
    """What base and adapter predict together, by diffusers' own loading."""
    pipeline = _pipeline(open_base(str(TINY), LoadOptions("fp32")))
    pipeline.load_lora_weights(str(adapter.parent), weight_name=adapter.name)
    try:
        return predict(pipeline.transformer.to(dtype), dtype)
    finally:
        pipeline.unload_lora_weights()


def test_the_fused_transformer_predicts_what_base_and_adapter_do_together(adapter, tmp_path):
    import torch
    from diffusers import FluxTransformer2DModel

    folder = fuse(adapter, tmp_path, "fused")["fused"]["folder"]
    loaded: Any = FluxTransformer2DModel.from_pretrained(folder, torch_dtype=torch.float32)
    wanted = with_adapter(adapter, torch.float32)
    plain = predict(open_base(str(TINY), LoadOptions("fp32")).transformer(), torch.float32)
    got = predict(loaded, torch.float32)
    # The base's files are shorter than fp32: what fusing rounds off is small beside what the adapter does.
    assert float((got - wanted).norm()) < 0.02 * float((plain - wanted).norm())


def painted_with(folder: str, tmp_path: Path, kind: Any) -> Any:
    """What the trainer predicts with a variant in the place of the tiny base's transformer."""
    import torch

    base = tmp_path / f"base-{kind}"
    shutil.copytree(TINY, base, ignore=lambda _folder, names: {"transformer"} & set(names))
    (base / "transformer").symlink_to(folder)
    return predict(open_base(str(base), LoadOptions("bf16", kind)).transformer(), torch.bfloat16)


@pytest.mark.parametrize(("kind", "off", "size"), [("int8", 0.04, 0.65), ("nf4", 0.25, 0.45)])
def test_a_quantized_one_is_smaller_and_paints_nearly_what_the_plain_one_does(kind, off, size, adapter, tmp_path):
    made = fuse(adapter, tmp_path, kind)[kind]
    wanted = painted_with(str(tmp_path / "fused"), tmp_path, "none")
    got = painted_with(made["folder"], tmp_path, kind)
    assert 0 < float((got - wanted).norm() / wanted.norm()) < off
    weights = sum(file["bytes"] for file in made["files"] if file["path"].endswith(".safetensors"))
    assert weights < size * (tmp_path / "fused" / whole.WEIGHTS).stat().st_size
    assert {file["path"] for file in made["files"]} == {"config.json", whole.WEIGHTS}


@pytest.mark.parametrize("kind", ["int8", pytest.param("nf4", marks=pytest.mark.gpu)])
def test_diffusers_itself_loads_a_quantized_one_as_the_same_model(kind, adapter, tmp_path):
    """It wants a GPU for NF4, and loads int8 anywhere."""
    import torch
    from diffusers import FluxTransformer2DModel

    if kind == "nf4" and not torch.cuda.is_available():
        pytest.skip("diffusers loads NF4 on a GPU only, and there is none")
    made = fuse(adapter, tmp_path, kind)[kind]
    theirs: Any = FluxTransformer2DModel.from_pretrained(made["folder"], torch_dtype=torch.bfloat16)
    assert torch.equal(painted_with(made["folder"], tmp_path, kind), predict(theirs, torch.bfloat16))


def test_the_files_have_the_same_bytes_each_time(adapter, tmp_path):
    kinds = ("fused", "int8", "nf4")
    one, two = fuse(adapter, tmp_path / "1", *kinds), fuse(adapter, tmp_path / "2", *kinds)
    assert [one[k]["files"] for k in kinds] == [two[k]["files"] for k in kinds]
    for file in one["int8"]["files"]:
        assert sha256_file(Path(one["int8"]["folder"]) / file["path"]) == file["sha256"]


def test_layers_without_an_adapter_keep_their_bytes(adapter, tmp_path):
    fuse(adapter, tmp_path, "fused")
    before, after = (read_tensors(folder / whole.WEIGHTS) for folder in (TINY / "transformer", tmp_path / "fused"))
    assert before.keys() == after.keys()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed == {name for name in before if ".attn.to_" in name and name.endswith(".weight")}


def test_an_adapter_of_another_base_is_refused(adapter, tmp_path):
    tensors = {n.replace("_blocks.0.", "_blocks.99."): t for n, t in read_tensors(adapter).items()}
    other = tmp_path / "other.safetensors"
    other.write_bytes(pack_tensors(tensors, header(tensors)))
    with pytest.raises(TrainerError, match="adapter and base do not belong together"):
        fuse(other, tmp_path, "fused")


def test_a_base_that_is_stored_quantized_is_refused(adapter, tmp_path):
    shutil.copytree(TINY, tmp_path / "base")
    config = tmp_path / "base" / "transformer" / "config.json"
    settings = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    config.write_text(json.dumps({**json.loads(config.read_text()), "quantization_config": settings}))
    with pytest.raises(TrainerError, match=r"plain weights for deployment\.variants, got one stored in 'nf4'"):
        fuse(adapter, tmp_path, "fused", base=tmp_path / "base")
