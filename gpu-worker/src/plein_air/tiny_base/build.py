"""From painted pictures to a folder that `FluxPipeline.from_pretrained` opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import FluxPipeline

from plein_air.tiny_base.card import write_card
from plein_air.tiny_base.flow import new_scheduler, train_flow
from plein_air.tiny_base.grid import PROMPTS, sample, write_grid
from plein_air.tiny_base.pictures import captions_of, read_pictures
from plein_air.tiny_base.stage import Stage
from plein_air.tiny_base.text import build_text_parts
from plein_air.tiny_base.vae import encode_pictures, measure_latents, train_vae


def build_base(
    pictures_folder: Path,
    out: Path,
    *,
    size: int,
    vae_steps: int,
    flow_steps: int,
    seed: int,
    stages: Path | None,
    grid: Path | None,
    log: Callable[[str], None],
) -> None:
    """Trains every part and saves them in half precision, then loads the folder again and paints the sample grid.

    Args:
        pictures_folder: What `writeTrainingSet` wrote.
        out: A folder that does not exist yet.
        size: Side of the pictures in pixels.
        vae_steps: Optimizer steps of the VAE.
        flow_steps: Optimizer steps of the transformer.
        seed: Decides everything that is drawn.
        stages: Keeps the state of training here, and goes on from what is there.
        grid: Writes a sample grid to this PNG.
        log: Takes a line of progress.
    """
    pictures, described = read_pictures(pictures_folder, size)
    log(f"{len(described)} pictures of {size} px")

    def stage(name: str, steps: int) -> Stage:
        return Stage(name, steps, None if stages is None else stages / f"{name}.pt", log)

    # What is shipped is half precision, so the transformer learns the latents of exactly that VAE.
    vae = train_vae(pictures, stage=stage("vae", vae_steps), seed=seed).half().float()
    latents = encode_pictures(vae, pictures)
    measure_latents(vae, latents)
    scaled = (latents - vae.config.shift_factor) * vae.config.scaling_factor
    log(f"latents encoded, shift {vae.config.shift_factor} scale {vae.config.scaling_factor}")

    text = build_text_parts((caption for picture in described for caption in captions_of(picture)), seed)
    transformer = train_flow(scaled, described, text, stage=stage("flow", flow_steps), seed=seed)
    pipeline = FluxPipeline(
        scheduler=new_scheduler(size),
        vae=vae.half(),
        text_encoder=text.clip,
        tokenizer=text.clip_tokenizer,
        text_encoder_2=text.t5,
        tokenizer_2=text.t5_tokenizer,
        transformer=transformer.half(),
    )
    pipeline.save_pretrained(out, safe_serialization=True)
    write_card(out, pictures=len(described), size=size, vae_steps=vae_steps, flow_steps=flow_steps, seed=seed)
    if grid is not None:
        loaded = FluxPipeline.from_pretrained(out, torch_dtype=torch.float32)
        write_grid(sample(loaded, PROMPTS, size=size), 6, grid)
    log("saved")
