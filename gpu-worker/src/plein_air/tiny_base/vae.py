"""The tiny AutoencoderKL: 16 latent channels at an eighth of the resolution, like FLUX's."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D

from plein_air.tiny_base.perceptual import PerceptualDistance
from plein_air.tiny_base.stage import Held, Stage

_CHANNELS = (16, 32, 48, 64)
_GROUPS = 2
"""Few groups: a norm over two or three channels of a picture would throw its overall color away."""
_LATENTS = 16
_CONSTANT = 4.0
_LOG_VARIANCE = -4.0
"""Of the posterior at the start: noise that the decoder can see through."""
_CROP = 64
_BATCH = 8
_KL_WEIGHT = 1e-4
_PERCEPTUAL_WEIGHT = 0.25
_LEARNING_RATE = 8e-4


def new_vae(size: int) -> AutoencoderKL:
    """An untrained VAE for pictures of `size` pixels."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=_CHANNELS,
        layers_per_block=1,
        latent_channels=_LATENTS,
        norm_num_groups=_GROUPS,
        sample_size=size,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=1.0,
        shift_factor=0.0,
    )


@torch.no_grad()
def start_linear(vae: AutoencoderKL) -> AutoencoderKL:
    """Starts the VAE as a linear map: Haar averages and details in, smoothly interpolated colors out.

    From random weights the first thousands of steps go into carrying color past the group norms. Here every residual
    branch starts at zero, and what must pass a norm and a SiLU does so as a mirrored pair beside large constants:
    their variance is nearly constant, and silu(x) - silu(-x) = x.
    """
    for module in vae.modules():
        if isinstance(module, ResnetBlock2D):
            torch.nn.init.zeros_(module.conv2.weight)
            torch.nn.init.zeros_(module.conv2.bias)
            if module.conv_shortcut is not None:
                _set_taps(module.conv_shortcut, {(index, index): 1.0 for index in range(_LATENTS)})
        elif isinstance(module, Attention):
            torch.nn.init.zeros_(module.to_out[0].weight)
            torch.nn.init.zeros_(module.to_out[0].bias)
    _start_encoder(vae.encoder)
    _start_decoder(vae.decoder)
    return vae


def _start_encoder(encoder: torch.nn.Module) -> None:
    _set_taps(encoder.conv_in, {(color, color): 1.0 for color in range(3)})
    for block in encoder.down_blocks[:3]:
        _halve(block.downsamplers[0].conv)
    # Two groups, each of 8 latents, their negatives, and 16 constants.
    shortcut = encoder.down_blocks[3].resnets[0].conv_shortcut
    half, quarter = _CHANNELS[3] // 2, _LATENTS // 2
    shortcut.weight.zero_()
    shortcut.bias.zero_()
    for latent in range(_LATENTS):
        place = latent // quarter * half + latent % quarter
        shortcut.weight[place, latent] = 1.0
        shortcut.weight[place + quarter, latent] = -1.0
    for group in (0, half):
        shortcut.bias[group + 2 * quarter : group + 3 * quarter] = _CONSTANT
        shortcut.bias[group + 3 * quarter : group + half] = -_CONSTANT
    gain = _CONSTANT / math.sqrt(2)
    encoder.conv_out.weight.zero_()
    encoder.conv_out.bias.zero_()
    for latent in range(_LATENTS):
        place = latent // quarter * half + latent % quarter
        scale = gain * (2.0 if latent < 3 else 6.0)
        encoder.conv_out.weight[latent, place, 1, 1] = scale
        encoder.conv_out.weight[latent, place + quarter, 1, 1] = -scale
    encoder.conv_out.bias[_LATENTS:] = _LOG_VARIANCE


def _start_decoder(decoder: torch.nn.Module) -> None:
    _set_taps(decoder.conv_in, {(index, index): 0.5 if index < 3 else 1.0 for index in range(_LATENTS)})
    tent = torch.tensor([0.25, 0.5, 0.25])
    for block in decoder.up_blocks[:3]:
        conv = block.upsamplers[0].conv
        for index in range(_LATENTS):
            conv.weight[index] = 0
            conv.weight[index, index] = torch.outer(tent, tent)
            conv.bias[index] = 0
    # One group of the three colors, their negatives and two constants; the other group is free.
    shortcut = decoder.up_blocks[3].resnets[0].conv_shortcut
    shortcut.weight[:8] = 0
    shortcut.bias[:8] = 0
    for color in range(3):
        shortcut.weight[color, color] = 1.0
        shortcut.weight[color + 3, color] = -1.0
    shortcut.bias[6], shortcut.bias[7] = _CONSTANT, -_CONSTANT
    decoder.conv_out.weight.mul_(0.1)
    decoder.conv_out.weight[:, :8] = 0
    decoder.conv_out.bias.zero_()
    for color in range(3):
        decoder.conv_out.weight[color, color, 1, 1] = _CONSTANT / 2
        decoder.conv_out.weight[color, color + 3, 1, 1] = -_CONSTANT / 2


def _halve(conv: torch.nn.Conv2d) -> None:
    """Averages of 2 x 2 for what is there, and the colors' horizontal, vertical and diagonal differences beside them."""
    taps: dict[tuple[int, int], torch.Tensor] = {}
    average = torch.full((2, 2), 0.25)
    sign = torch.tensor([1.0, -1.0])
    details = [torch.outer(torch.ones(2), sign), torch.outer(sign, torch.ones(2)), torch.outer(sign, sign)]
    for color in range(3):
        taps[color, color] = average
        for index, detail in enumerate(details):
            taps[3 + 3 * index + color, color] = detail * 0.25
    for index in range(12, _LATENTS):
        taps[index, index - 9] = average * 2
    for (out, source), values in taps.items():
        conv.weight[out] = 0
        conv.weight[out, source, :2, :2] = values
        conv.bias[out] = 0


def _set_taps(conv: torch.nn.Conv2d, taps: dict[tuple[int, int], float]) -> None:
    """Makes the outputs named in `taps` a plain weighted copy of one input each."""
    middle = conv.kernel_size[0] // 2
    for (out, source), value in taps.items():
        if out >= conv.out_channels or source >= conv.in_channels:
            continue
        conv.weight[out] = 0
        conv.weight[out, source, middle, middle] = value
        conv.bias[out] = 0


def train_vae(pictures: np.ndarray, *, stage: Stage, seed: int) -> AutoencoderKL:
    """Trains on crops, and every fifth step on whole pictures, so that the middle attention knows both sizes.

    Args:
        pictures: uint8 (N, 3, H, W).
        stage: Steps, kept state and progress.
        seed: Decides the start, the crops and the latent noise.
    """
    torch.manual_seed(seed)
    vae = start_linear(new_vae(pictures.shape[-1])).train()
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
