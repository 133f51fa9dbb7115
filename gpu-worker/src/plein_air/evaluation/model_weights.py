"""Style and copy descriptors whose authors publish bare weights: their names mapped onto transformers' classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plein_air.devices import prepare_torch
from plein_air.evaluation.features import Encoder
from plein_air.evaluation.models import (
    CLIP_PIXELS,
    IMAGENET_PIXELS,
    ModelFolder,
    named_encoder,
    normalized,
    open_dinov2,
)

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from plein_air.evaluation.intervals import Floats


def open_csd(folder: ModelFolder) -> Encoder:
    """CSD's style descriptor (arXiv 2404.01292): a CLIP vision tower in OpenAI's names, then `last_layer_style`."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel

    weights = _read(folder)
    head = _take(folder, weights, "last_layer_style")
    patches = _take(folder, weights, "backbone.conv1.weight")
    positions = _take(folder, weights, "backbone.positional_embedding")
    width, patch = patches.shape[0], patches.shape[-1]
    layers = len({name.split(".")[3] for name in weights if name.startswith("backbone.transformer.resblocks.")})
    grid = round((positions.shape[0] - 1) ** 0.5)
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=_take(folder, weights, "backbone.transformer.resblocks.0.mlp.c_fc.weight").shape[0],
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 64),
        image_size=grid * patch,
        patch_size=patch,
        hidden_act="quick_gelu",
    )
    model: Any = CLIPVisionModel(config)
    _fill(folder, model, _from_openai(weights))
    model = model.eval().requires_grad_(False).to(prepare_torch())
    head = head.to(prepare_torch()).float()

    def encode(batch: NDArray[np.float32]) -> Floats:
        with torch.inference_mode():
            style = model(pixel_values=normalized(batch, CLIP_PIXELS)).pooler_output @ head
            return _unit(style)

    return named_encoder(folder, head.shape[1], grid * patch, encode)


def open_copies(folder: ModelFolder) -> Encoder:
    """A copy descriptor: a DINOv2 where the folder has one, else SSCD."""
    return open_dinov2(folder) if (Path(folder.path) / "config.json").is_file() else open_sscd(folder)


def open_sscd(folder: ModelFolder) -> Encoder:
    """SSCD's copy descriptor (arXiv 2202.10261): a ResNet in torchvision's names, GeM pooling with p = 3, then `fc`."""
    import torch
    from transformers import ResNetConfig, ResNetModel

    weights = _read(folder)
    stages = sorted({int(name.split(".")[1][5:]) for name in weights if name.startswith("backbone.layer")})
    depths = [
        len({name.split(".")[2] for name in weights if name.startswith(f"backbone.layer{stage}.")}) for stage in stages
    ]
    config = ResNetConfig(
        embedding_size=_take(folder, weights, "backbone.conv1.weight").shape[0],
        hidden_sizes=[_take(folder, weights, f"backbone.layer{stage}.0.conv3.weight").shape[0] for stage in stages],
        depths=depths,
        layer_type="bottleneck",
        downsample_in_first_stage=False,
    )
    model: Any = ResNetModel(config)
    _fill(folder, model, _from_torchvision(weights))
    device = prepare_torch()
    model = model.eval().requires_grad_(False).to(device)
    head, bias = (_take(folder, weights, f"backbone.fc.{part}").to(device).float() for part in ("weight", "bias"))

    def encode(batch: NDArray[np.float32]) -> Floats:
        with torch.inference_mode():
            maps = model(pixel_values=normalized(batch, IMAGENET_PIXELS)).last_hidden_state
            pooled = maps.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)
            return _unit(pooled @ head.T + bias)

    return named_encoder(folder, head.shape[0], 288, encode)


def _unit(vectors: torch.Tensor) -> Floats:
    wide = vectors.double()
    return (wide / wide.norm(dim=1, keepdim=True)).cpu().numpy()


def _read(folder: ModelFolder) -> dict[str, Any]:
    from safetensors.torch import load_file

    files = sorted(Path(folder.path).glob("*.safetensors"))
    if len(files) != 1:
        folder.refuse(f"{len(files)} safetensors files; one is needed")
    return {name.removeprefix("module."): tensor for name, tensor in load_file(files[0]).items()}


def _take(folder: ModelFolder, weights: dict[str, Any], name: str) -> Any:
    if name not in weights:
        folder.refuse(f"weights without {name}")
    return weights[name]


def _fill(folder: ModelFolder, model: Any, weights: dict[str, Any]) -> None:
    """Loads every tensor of the model, no more and no less; counters of batch norms may be missing."""
    own = model.state_dict()
    loose = {name for name in own if name.endswith(("num_batches_tracked", "position_ids"))}
    missing = set(own) - set(weights) - loose
    if missing:
        folder.refuse(f"weights that leave out {', '.join(sorted(missing)[:3])}")
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items() if name in own}, strict=False)


_OPENAI = {
    "conv1.weight": "embeddings.patch_embedding.weight",
    "class_embedding": "embeddings.class_embedding",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_pre": "pre_layrnorm",
    "ln_post": "post_layernorm",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}


def _from_openai(weights: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, tensor in weights.items():
        if not name.startswith("backbone."):
            continue
        short = name.removeprefix("backbone.")
        prefix = ""
        if short.startswith("transformer.resblocks."):
            _, _, number, short = short.split(".", 3)
            prefix = f"encoder.layers.{number}."
        if short.startswith("attn.in_proj_"):
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                made[f"{prefix}self_attn.{part}_proj.{short.removeprefix('attn.in_proj_')}"] = piece
            continue
        stem = next((old for old in _OPENAI if short == old or short.startswith(f"{old}.")), None)
        if stem is not None:
            made[f"{prefix}{_OPENAI[stem]}{short.removeprefix(stem)}"] = tensor
    return made


def _from_torchvision(weights: dict[str, Any]) -> dict[str, Any]:
    parts = {"conv": "convolution", "bn": "normalization"}
    made: dict[str, Any] = {}
    for name, tensor in weights.items():
        steps = name.removeprefix("backbone.").split(".")
        if steps[0] in ("conv1", "bn1"):
            made[".".join(["embedder.embedder", parts[steps[0][:-1]], *steps[1:]])] = tensor
        elif steps[0].startswith("layer"):
            at = f"encoder.stages.{int(steps[0][5:]) - 1}.layers.{steps[1]}"
            if steps[2] == "downsample":
                made[".".join([at, "shortcut", "convolution" if steps[3] == "0" else "normalization", *steps[4:]])] = (
                    tensor
                )
            else:
                kind = steps[2].rstrip("0123456789")
                made[".".join([at, f"layer.{int(steps[2][len(kind) :]) - 1}", parts[kind], *steps[3:]])] = tensor
    return made
