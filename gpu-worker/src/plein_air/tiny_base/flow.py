"""The tiny FluxTransformer2DModel, trained by rectified flow over cached latents and cached text embeddings."""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Sequence

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

from plein_air.tiny_base.pictures import Picture, captions_of, draw_form
from plein_air.tiny_base.stage import Held, Stage
from plein_air.tiny_base.text import WIDTH, TextParts, encode_captions

_BATCH = 32
_LEARNING_RATE = 1.5e-3
_EMA = 0.998
_SHIFT = 0.5
"""mu of the timestep shift at this size; the scheduler's base_shift says the same to samplers."""


def new_transformer() -> FluxTransformer2DModel:
    """2 double and 4 single blocks, 4 heads of 32; modulations start at zero so that every block starts as identity."""
    transformer = FluxTransformer2DModel(
        in_channels=64,
        num_layers=2,
        num_single_layers=4,
        attention_head_dim=32,
        num_attention_heads=4,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        guidance_embeds=True,
        axes_dims_rope=(4, 14, 14),
    )
    modulations = [block.norm.linear for block in transformer.single_transformer_blocks]
    for block in transformer.transformer_blocks:
        modulations += [block.norm1.linear, block.norm1_context.linear]
    for layer in [*modulations, transformer.norm_out.linear, transformer.proj_out]:
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return transformer


def new_scheduler(size: int) -> FlowMatchEulerDiscreteScheduler:
    """FLUX.1-dev's scheduler with the shift's anchors scaled to this picture size."""
    tokens = (size // 16) ** 2
    return FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1000,
        shift=3.0,
        use_dynamic_shifting=True,
        base_shift=_SHIFT,
        max_shift=1.15,
        base_image_seq_len=tokens,
        max_image_seq_len=16 * tokens,
    )


def train_flow(
    latents: torch.Tensor,
    pictures: Sequence[Picture],
    text: TextParts,
    *,
    stage: Stage,
    seed: int,
) -> FluxTransformer2DModel:
    """Trains the transformer and returns its moving average.

    Args:
        latents: (N, 16, h, w), scaled to deviation 1.
        pictures: What each latent shows.
        text: Frozen encoders.
        stage: Optimizer steps of 32 pictures, kept state and progress.
        seed: Decides the start, the order, captions, timesteps and noise.
    """
    rows = [captions_of(picture) for picture in pictures]
    captions = sorted({caption for row in rows for caption in row})
    place = {caption: index for index, caption in enumerate(captions)}
    sequences, pooled = (part.half() for part in encode_captions(text, captions))
    stage.log(f"flow {len(captions)} captions encoded")

    torch.manual_seed(seed)
    transformer = new_transformer().train()
    average = copy.deepcopy(transformer).requires_grad_(False)
    optimizer = torch.optim.AdamW(transformer.parameters(), lr=_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    noise_source = torch.Generator().manual_seed(seed + 1)
    source = random.Random(seed + 2)
    packed = pack(latents)
    image_ids = FluxPipeline._prepare_latent_image_ids(
        1, latents.shape[2] // 2, latents.shape[3] // 2, torch.device("cpu"), torch.float32
    )
    text_ids = torch.zeros(sequences.shape[1], 3)
    order: list[int] = []
    state = {
        "transformer": transformer,
        "average": average,
        "optimizer": optimizer,
        "noise": Held(noise_source.get_state, noise_source.set_state),
        "choices": Held(source.getstate, source.setstate),
        "order": Held(lambda: order, order.extend),
    }
    started, shown = time.monotonic(), 0.0
    for step in range(stage.resume(state), stage.steps):
        while len(order) < _BATCH:
            order += source.sample(range(len(pictures)), len(pictures))
        chosen = order[:_BATCH]
        del order[:_BATCH]
        words = [place[rows[index][draw_form(source)]] for index in chosen]
        clean = packed[chosen]
        noise = torch.randn(clean.shape, generator=noise_source)
        sigma = draw_sigmas(len(chosen), noise_source)
        wide = sigma.view(-1, 1, 1)
        for group in optimizer.param_groups:
            group["lr"] = stage.rate(step, _LEARNING_RATE, 100)
        predicted = transformer(
            hidden_states=(1 - wide) * clean + wide * noise,
            timestep=sigma,
            guidance=torch.ones(len(chosen)),
            pooled_projections=pooled[words].float(),
            encoder_hidden_states=sequences[words].float(),
            txt_ids=text_ids,
            img_ids=image_ids,
        ).sample
        loss = (predicted - (noise - clean)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(transformer.parameters(), 1.0)
        optimizer.step()
        _average(average, transformer, min(_EMA, (step + 1) / (step + 20)))
        stage.keep(step + 1, state)
        shown += loss.item() / 25
        if step % 25 == 24:
            stage.log(f"flow step {step + 1}/{stage.steps} loss {shown:.4f} {time.monotonic() - started:.0f} s")
            shown = 0.0
    return average.eval()


def pack(latents: torch.Tensor) -> torch.Tensor:
    """(B, 16, h, w) as FluxPipeline packs it: (B, h/2 · w/2, 64)."""
    count, channels, height, width = latents.shape
    return FluxPipeline._pack_latents(latents, count, channels, height, width)


def draw_sigmas(count: int, source: torch.Generator) -> torch.Tensor:
    """Noise levels in (0, 1): logit-normal, stratified over the batch, then shifted by mu."""
    uniform = (torch.arange(count) + torch.rand(count, generator=source)) / count
    sigma = torch.sigmoid(torch.special.ndtri(uniform.clamp(1e-4, 1 - 1e-4)))
    shift = math.exp(_SHIFT)
    return shift * sigma / (1 + (shift - 1) * sigma)


@torch.no_grad()
def _average(average: torch.nn.Module, model: torch.nn.Module, keep: float) -> None:
    for kept, new in zip(average.parameters(), model.parameters(), strict=True):
        kept.lerp_(new, 1 - keep)
