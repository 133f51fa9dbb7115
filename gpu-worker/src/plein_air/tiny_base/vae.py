"""The tiny AutoencoderKL: 16 latent channels at an eighth of the resolution, like FLUX's."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from diffusers import AutoencoderKL

from plein_air.tiny_base.perceptual import PerceptualDistance
from plein_air.tiny_base.stage import Held, Stage

_CHANNELS = (16, 32, 48, 64)
_GROUPS = 2
"""Few groups: a norm over two or three channels of a picture would throw its overall colour away."""
_CROP = 64
_BATCH = 8
_KL_WEIGHT = 1e-3
_PERCEPTUAL_WEIGHT = 0.6
_LEARNING_RATE = 2e-3


def new_vae(size: int) -> AutoencoderKL:
    """An untrained VAE for pictures of `size` pixels."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=_CHANNELS,
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=_GROUPS,
        sample_size=size,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=1.0,
        shift_factor=0.0,
    )


def train_vae(pictures: np.ndarray, *, stage: Stage, seed: int) -> AutoencoderKL:
    """Trains on crops, and every fifth step on whole pictures, so that the middle attention knows both sizes.

    Args:
        pictures: uint8 (N, 3, H, W).
        stage: Steps, kept state and progress.
        seed: Decides the start, the crops and the latent noise.
    """
    torch.manual_seed(seed)
    vae = new_vae(pictures.shape[-1]).train()
    distance = PerceptualDistance()
    optimizer = torch.optim.AdamW(vae.parameters(), lr=_LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    source = np.random.default_rng(seed)
    state = {
        "vae": vae,
        "optimizer": optimizer,
        "crops": Held(lambda: source.bit_generator.state, lambda value: setattr(source.bit_generator, "state", value)),
        "noise": Held(torch.get_rng_state, torch.set_rng_state),
    }
    started = time.monotonic()
    for step in range(stage.resume(state), stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = stage.rate(step, _LEARNING_RATE, 50)
        batch = _crops(pictures, source, whole=step % 5 == 4)
        posterior = vae.encode(batch).latent_dist
        decoded = vae.decode(posterior.sample()).sample
        absolute = (decoded - batch).abs().mean()
        perceptual = distance(decoded, batch)
        spread = posterior.kl().mean() / math.prod(posterior.mean.shape[1:])
        loss = absolute + _PERCEPTUAL_WEIGHT * perceptual + _KL_WEIGHT * spread
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        stage.keep(step + 1, state)
        if step % 25 == 24 or step == stage.steps - 1:
            stage.log(
                f"vae step {step + 1}/{stage.steps} l1 {absolute.item():.4f} perceptual {perceptual.item():.4f} "
                f"kl {spread.item():.3f} {time.monotonic() - started:.0f} s"
            )
    return vae.eval().requires_grad_(False)


@torch.no_grad()
def encode_pictures(vae: AutoencoderKL, pictures: np.ndarray, batch: int = 8) -> torch.Tensor:
    """Posterior means (N, 16, H/8, W/8), before scaling."""
    parts = [
        vae.encode(to_signal(pictures[start : start + batch])).latent_dist.mean
        for start in range(0, len(pictures), batch)
    ]
    return torch.cat(parts)


def measure_latents(vae: AutoencoderKL, latents: torch.Tensor) -> None:
    """Sets shift and scaling factor so that (x - shift) * scale has mean 0 and deviation 1, as FLUX's do."""
    shift, deviation = latents.mean().item(), latents.std().item()
    vae.register_to_config(shift_factor=round(shift, 4), scaling_factor=round(1 / deviation, 4))


def to_signal(pictures: np.ndarray) -> torch.Tensor:
    """uint8 pictures as floats in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).float() / 127.5 - 1


def _crops(pictures: np.ndarray, source: np.random.Generator, *, whole: bool) -> torch.Tensor:
    size = pictures.shape[-1]
    crop = size if whole else min(_CROP, size)
    count = 2 if whole else _BATCH
    chosen = []
    for index in source.integers(0, len(pictures), count):
        top, left = source.integers(0, size - crop + 1, 2)
        piece = pictures[index, :, top : top + crop, left : left + crop]
        chosen.append(piece[:, :, ::-1] if source.random() < 0.5 else piece)
    return to_signal(np.stack(chosen))
