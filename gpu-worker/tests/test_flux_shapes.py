"""FLUX.1-dev's real shapes, on the meta device: what `domain/training-needs.ts` reckons with."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="module")
def flux() -> Any:
    import torch
    from diffusers import FluxTransformer2DModel

    with torch.device("meta"):
        return FluxTransformer2DModel(guidance_embeds=True)


def test_the_transformer_has_the_weights_that_the_prediction_counts(flux):
    def count(module: Any) -> int:
        return sum(p.numel() for p in module.parameters())

    assert count(flux) == 11_901_408_320
    assert count(flux.transformer_blocks[0]) == 36 * 3072**2 + 30 * 3072 + 4 * 128
    assert count(flux.single_transformer_blocks[0]) == 15 * 3072**2 + 11 * 3072 + 2 * 128


@pytest.mark.parametrize(
    ("targets", "rank", "parameters"),
    [
        ("attention", 16, 26_148_864),
        ("attention+feed-forward", 16, 44_826_624),
        ("all-linear", 16, 85_917_696),
        ("attention", 4, 6_537_216),
    ],
)
def test_a_lora_of_each_preset_has_the_weights_that_the_prediction_counts(flux, targets, rank, parameters):
    import torch

    from plein_air.families.flux1.targets import target_layers

    pattern = target_layers(targets)
    adapted = [m for n, m in flux.named_modules() if isinstance(m, torch.nn.Linear) and pattern.fullmatch(n)]
    assert sum(rank * (m.in_features + m.out_features) for m in adapted) == parameters


def test_a_forward_pass_has_the_operations_that_the_prediction_counts(flux):
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    tokens, text = 32 * 48, 512

    def empty(*shape: int) -> torch.Tensor:
        return torch.empty(shape, device="meta")

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        flux(
            hidden_states=empty(1, tokens, 64),
            encoder_hidden_states=empty(1, text, 4096),
            pooled_projections=empty(1, 768),
            timestep=empty(1),
            guidance=empty(1),
            img_ids=empty(tokens, 3),
            txt_ids=empty(text, 3),
        )
    every = tokens + text
    assert counter.get_total_flops() == pytest.approx(57 * every * (24 * 3072**2 + 4 * 3072 * every), rel=0.01)
