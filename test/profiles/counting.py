"""The trainer with counters at its networks: `counting.py FILE -m plein_air` writes images by kind of pass to FILE."""

import json
import runpy
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel

FILE = Path(sys.argv[1])
counts = {"trained": 0, "measured": 0, "encoded": 0}


def count(kind: str, images: int) -> None:
    counts[kind] += images
    FILE.write_text(json.dumps(counts))


def forward(self, *args, **kwargs):
    latents = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
    count("trained" if torch.is_grad_enabled() else "measured", latents.shape[0])
    return transformer(self, *args, **kwargs)


def encode(self, pixels, *args, **kwargs):
    count("encoded", pixels.shape[0])
    return vae(self, pixels, *args, **kwargs)


transformer, vae = FluxTransformer2DModel.forward, AutoencoderKL.encode
FluxTransformer2DModel.forward, AutoencoderKL.encode = forward, encode
sys.argv = ["plein_air"]
runpy.run_module("plein_air", run_name="__main__", alter_sys=True)
