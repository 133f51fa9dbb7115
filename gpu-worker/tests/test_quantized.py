"""Bases in NF4, int8 and fp8: near to the plain one, smaller, and loadable where they are stored quantized."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from plein_air import session
from plein_air.errors import TrainerError
from plein_air.families import open_base
from plein_air.families.flux1.transformer import clip_activations
from plein_air.loading import LoadOptions

TINY = Path(__file__).parent.parent / "tiny-base"


@pytest.fixture(autouse=True)
def fresh_session(monkeypatch):
    monkeypatch.setattr(session, "_models", {})


def predict(transformer: Any, dtype: Any) -> Any:
    import torch

    config = transformer.config
    generator = torch.Generator().manual_seed(1)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(dtype)

    with torch.no_grad():
        return transformer(
            hidden_states=noise(1, 16, 64),
            timestep=torch.tensor([0.4], dtype=dtype),
            guidance=torch.tensor([1.0], dtype=dtype),
            pooled_projections=noise(1, config.pooled_projection_dim),
            encoder_hidden_states=noise(1, 24, config.joint_attention_dim),
            txt_ids=torch.zeros(24, 3, dtype=dtype),
            img_ids=torch.zeros(16, 3, dtype=dtype),
            return_dict=False,
        )[0].float()


def bytes_of(transformer: Any) -> int:
    """Bytes of all weights as they lie in memory, their scales included."""
    import torch

    total = 0
    for parameter in transformer.parameters():
        parts = [getattr(parameter, name, None) for name in ("qdata", "scale")]
        state = getattr(parameter, "quant_state", None)
        if parts[0] is None:
            parts = [parameter.data, *(() if state is None else (state.absmax, state.state2.absmax))]
        total += sum(part.numel() * part.element_size() for part in parts if isinstance(part, torch.Tensor))
    return total


@pytest.mark.parametrize(("kind", "off", "size"), [("nf4", 0.2, 0.36), ("int8", 0.04, 0.6), ("fp8", 0.1, 0.6)])
def test_a_quantized_base_predicts_nearly_what_the_plain_one_does_and_is_smaller(kind, off, size):
    import torch

    plain = open_base(str(TINY), LoadOptions("bf16")).transformer()
    wanted, whole = predict(plain, torch.bfloat16), bytes_of(plain)
    held = open_base(str(TINY), LoadOptions("bf16", kind)).transformer()
    assert held is not plain
    assert held.dtype == torch.bfloat16
    got = predict(held, torch.bfloat16)
    difference = float((got - wanted).norm() / wanted.norm())
    assert 0 < difference < off
    assert bytes_of(held) < size * whole


def stored_in_nf4(tmp_path: Path) -> Path:
    """The tiny base with its transformer as diffusers stores one in NF4."""
    from safetensors.torch import save_file

    shutil.copytree(TINY, tmp_path / "base")
    folder = tmp_path / "base" / "transformer"
    held = open_base(str(TINY), LoadOptions("bf16", "nf4")).transformer()
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    save_file({k: v.contiguous() for k, v in held.state_dict().items()}, folder / "diffusion_pytorch_model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "quant_method": "bitsandbytes"}
    (folder / "config.json").write_text(json.dumps(config))
    return tmp_path / "base"


def test_a_base_that_is_stored_in_nf4_loads_as_the_one_that_was_quantized_on_loading(tmp_path):
    import torch

    path = stored_in_nf4(tmp_path)
    stored = predict(open_base(str(path), LoadOptions("bf16", "nf4")).transformer(), torch.bfloat16)
    loaded = predict(open_base(str(TINY), LoadOptions("bf16", "nf4")).transformer(), torch.bfloat16)
    assert torch.equal(stored, loaded)


def test_a_base_that_is_stored_in_nf4_is_refused_as_anything_else(tmp_path):
    path = stored_in_nf4(tmp_path)
    with pytest.raises(TrainerError, match=r"Expected training.quantization to be 'nf4'.*got 'none'"):
        open_base(str(path), LoadOptions("bf16")).transformer()


def test_a_base_with_a_weight_missing_is_named_not_trained_on(tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(TINY, tmp_path / "base")
    file = next((tmp_path / "base" / "transformer").glob("*.safetensors"))
    weights = load_file(file)
    del weights["single_transformer_blocks.1.proj_out.weight"]
    save_file(weights, file)
    with pytest.raises(TrainerError, match=r"none for 1, such as single_transformer_blocks\.1\.proj_out\.weight"):
        open_base(str(tmp_path / "base"), LoadOptions("bf16", "int8")).transformer()


def test_fp16_activations_stay_finite_where_a_block_outgrows_the_type():
    import torch

    transformer = open_base(str(TINY), LoadOptions("fp32")).transformer()
    block = transformer.transformer_blocks[0]
    with torch.no_grad():
        block.ff.net[2].bias += 1e6
    dtype = torch.float16
    half = transformer.to(dtype)
    block.ff.net[2].bias.data.fill_(60000)
    block.norm1.linear.bias.data.fill_(100)
    assert not predict(half, dtype).isfinite().all()
    clip_activations(half)
    assert predict(half, dtype).isfinite().all()
