"""Ten steps of the trainer against the training loop of diffusers' own LoRA example, at equal noise and noise levels."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from conftest import TRAINING, NoEvents
from plein_air.dataset.choices import choice_of
from plein_air.dataset.needs import buckets_of
from plein_air.dataset.order import Order
from plein_air.encoding.store import Store
from plein_air.families import open_base
from plein_air.loading import LoadOptions
from plein_air.protocol.decode import decode
from plein_air.tensor_file import read_tensors
from plein_air.training import train
from plein_air.training.adapter import FILE, fresh_adapter
from plein_air.training.samples import Samples
from plein_air.training.schedule import SigmaShift
from plein_air.training.settings import Training
from plein_air.training.step_rng import noise_of, sigma_of

STEPS = 10
SETTINGS: dict[str, Any] = {
    **TRAINING,
    "steps": STEPS,
    "scheduleSteps": STEPS,
    "checkpointEvery": STEPS,
    "heldOutEvery": STEPS,
    # The warm-up of diffusers begins at a rate of 0, ours at the first step's share: compared without one.
    "warmupSteps": 0,
    "learningRate": 1e-3,
    # Low enough that every step is clipped.
    "gradientClip": 1e-3,
    "ema": 0,
    "guidance": 3.5,
}


def of_diffusers(small_base: Path, dataset: Path, cache: Path, schedule: str) -> tuple[dict[str, Any], list[float]]:
    """Matrices and losses after ten steps of `train_dreambooth_lora_flux.py`, with the batches, noise and levels of ours."""
    import torch
    from diffusers import FluxPipeline, FluxTransformer2DModel
    from diffusers.optimization import get_scheduler
    from peft import LoraConfig

    settings = decode(Training, {**SETTINGS, "schedule": schedule})
    base = open_base(str(small_base), LoadOptions("fp32"))
    with fresh_adapter(base, settings) as adapter:
        start = {name: parameter.detach().clone() for name, parameter in adapter.parameters.items()}
    modules = sorted({name.removeprefix("transformer.").rsplit(".lora_", 1)[0] for name in start})

    transformer: Any = FluxTransformer2DModel.from_pretrained(small_base / "transformer", torch_dtype=torch.float32)
    transformer.requires_grad_(False)
    alpha: Any = settings.alpha
    transformer.add_adapter(
        LoraConfig(r=settings.rank, lora_alpha=alpha, target_modules=modules, init_lora_weights=False)
    )
    named = {
        "transformer." + name.replace(".default.", "."): parameter
        for name, parameter in transformer.named_parameters()
        if parameter.requires_grad
    }
    assert named.keys() == start.keys()
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(start[name])

    optimizer = torch.optim.AdamW(
        list(named.values()), lr=settings.learning_rate, betas=(0.9, 0.999), weight_decay=settings.weight_decay
    )
    rates = get_scheduler(schedule, optimizer, num_warmup_steps=0, num_training_steps=STEPS)
    samples = Samples(str(dataset), "train", Store(cache), base)
    order = Order(buckets_of(samples.pictures.values()), settings.batch_size, settings.seed)
    shift = SigmaShift.from_scheduler(base.scheduler_config())
    losses: list[float] = []
    for step in range(STEPS):
        found = 0.0
        for micro_step in range(step * settings.accumulation, (step + 1) * settings.accumulation):
            bucket, ids = order.batch(micro_step)
            width, height = map(int, bucket.split("x"))
            tokens = (width // 16) * (height // 16)
            chosen = [choice_of(settings.draws(STEPS), micro_step, slot, name) for slot, name in enumerate(ids)]
            batch = samples.batch(chosen)
            noise = noise_of(settings, micro_step, ids, (tokens, batch.latents.shape[2]))
            levels = [sigma_of(settings, micro_step, slot, name, shift, tokens) for slot, name in enumerate(ids)]
            sigmas = torch.tensor(levels)[:, None, None]
            any_ids: Any = FluxPipeline._prepare_latent_image_ids
            predicted = transformer(
                hidden_states=(1.0 - sigmas) * batch.latents + sigmas * noise,
                timestep=sigmas.flatten(),
                guidance=torch.full([len(ids)], settings.guidance),
                pooled_projections=batch.pooled,
                encoder_hidden_states=batch.sequence,
                txt_ids=torch.zeros(batch.sequence.shape[1], 3),
                img_ids=any_ids(len(ids), height // 16, width // 16, "cpu", torch.float32),
                return_dict=False,
            )[0]
            target = noise - batch.latents
            loss = torch.mean((predicted.float() - target.float()).square().reshape(len(ids), -1), 1).mean()
            (loss / settings.accumulation).backward()
            found += float(loss.detach()) / settings.accumulation
        torch.nn.utils.clip_grad_norm_(list(named.values()), settings.gradient_clip)
        optimizer.step()
        rates.step()
        optimizer.zero_grad()
        losses.append(found)
    return {name: parameter.detach() for name, parameter in named.items()}, losses


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_ten_steps_end_where_the_loop_of_diffusers_ends(
    small_base: Path, dataset: Path, cache: Path, train_params: dict[str, Any], schedule: str
) -> None:
    import torch

    events: Any = NoEvents()
    ours = train.run({**train_params, "training": {**SETTINGS, "schedule": schedule}}, events, threading.Event())
    found = read_tensors(Path(ours["checkpoint"]) / FILE)
    expected, losses = of_diffusers(small_base, dataset, cache, schedule)
    assert [values["loss"] for _, values in events.metrics if "loss" in values] == pytest.approx(losses, rel=1e-4)
    norms = [values["gradientNorm"] for _, values in events.metrics if "gradientNorm" in values]
    assert len(norms) == STEPS
    assert min(norms) > SETTINGS["gradientClip"]
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        # Ten steps move a matrix by up to 1e-2; Adam blows float error up where a gradient is next to nothing.
        torch.testing.assert_close(
            tensor, expected[name], atol=2e-5, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}"
        )
