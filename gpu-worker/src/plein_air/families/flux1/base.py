"""A FLUX.1 base: components in diffusers' folder layout, each loaded when first asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plein_air.devices import half_dtype
from plein_air.errors import TrainerError
from plein_air.families.flux1.encoders import TextEncoders
from plein_air.families.flux1.packing import PIXELS, pack_latents
from plein_air.families.flux1.pipeline import generator
from plein_air.families.flux1.targets import target_layers
from plein_air.families.flux1.transformer import BLOCKS, CLASS, blocks_of, clip_activations, empty_transformer
from plein_air.families.flux1.velocity import FluxVelocity
from plein_air.loading import LoadOptions, bring_when_needed, pin, placement
from plein_air.quantized import check_load_options, load_quantized, stored_quantization
from plein_air.session import folders_sha256, forget

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler

    from plein_air.families.family import Embeddings, Generate, Grid, Part, Targets, Velocity

# Said in words, whatever a library's defaults become: no code of a repository runs, and no pickle is opened.
_OWN_FILES: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
_WEIGHTS: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
_FOLDERS: dict[Part, tuple[str, ...]] = {
    "vae": ("vae",),
    "text": ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"),
    "transformer": ("transformer",),
}


def open_base(path: Path, options: LoadOptions, device: torch.device, components: dict[Any, Any]) -> FluxBase:
    """A base of this family; `InvalidInput` where the transformer is of another class."""
    config = path / "transformer" / "config.json"
    try:
        kind = json.loads(config.read_text()).get("_class_name")
    except (OSError, ValueError, AttributeError) as error:
        raise TrainerError(
            "InvalidInput", f"Expected a {CLASS} at {config}, got: {error}", {"field": "base"}
        ) from error
    if kind != CLASS:
        raise TrainerError(
            "InvalidInput",
            f"Expected a transformer of class {CLASS}, got {kind!r} in {config}: choose another base.repo.",
            {"field": "base.repo", "class": kind},
        )
    return FluxBase(path, options, device, components)


class FluxBase:
    """Components of one base folder, frozen, in eval mode, on the device; a `Base`."""

    family = "flux1"

    def __init__(self, path: Path, options: LoadOptions, device: torch.device, components: dict[Any, Any]) -> None:
        """Loads nothing yet; `components` is shared by everyone who opens the same folder in this session."""
        self.path = path
        self.options = options
        self.device = device
        self._loaded = components

    def transformer(self) -> Any:
        """See `Base`."""
        if "transformer" in self._loaded and self._loaded["transformer"][0] != self.options:
            self.release("transformer")
        if "transformer" not in self._loaded:
            self._loaded["transformer"] = (self.options, self._load_transformer())
        return self._loaded["transformer"][1]

    def blocks(self) -> list[Any]:
        """See `Base`."""
        return blocks_of(self.transformer())

    def velocity(self, guidance: float) -> Velocity:
        """See `Base`."""
        return FluxVelocity(self.transformer(), guidance)

    def target_layers(self, preset: Targets) -> re.Pattern[str]:
        """See `Base`."""
        return target_layers(preset)

    def _load_transformer(self) -> Any:
        import torch
        from diffusers import FluxTransformer2DModel

        options, folder = self.options, self.path / "transformer"
        check_load_options(folder, options)
        # What is stored in int8 is loaded by diffusers itself: its header says how to put the tensors together.
        if options.quantization == "none" or stored_quantization(folder) == "int8":
            host = torch.device("cpu") if options.offload_blocks else self.device
            model = self._load(FluxTransformer2DModel, "transformer", options.dtype(), host)
            where = placement(model, self._on_host(model), self.device)
            for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
                tensor.data = tensor.data.to(where(name))
        else:
            model = self._quantized(folder, options)
            model.requires_grad_(False).eval()
        for block in self._on_host(model):
            pin(block, self.device)
            bring_when_needed(block, self.device)
        if options.precision == "fp16":
            clip_activations(model)
        return model

    def _on_host(self, model: Any) -> list[Any]:
        """Blocks whose weights stay on the host: the last ones."""
        count = self.options.offload_blocks
        return blocks_of(model)[-count:] if count else []

    def _quantized(self, folder: Path, options: LoadOptions, on_weight: Callable[[int], None] = lambda _: None) -> Any:
        model = empty_transformer(folder)
        where = placement(model, self._on_host(model), self.device)
        return load_quantized(model, folder, options, lambda name: BLOCKS in name, where, on_weight)

    def quantized_transformer(
        self, folder: Path, options: LoadOptions, on_weight: Callable[[int], None]
    ) -> tuple[Any, list[str]]:
        """See `Base`."""
        import torch

        model = self._quantized(folder, options, on_weight)
        plain = [n for n, m in model.named_modules() if type(m) is torch.nn.Linear and BLOCKS not in n]
        return model, plain

    def vae(self) -> AutoencoderKL:
        """The VAE, always fp32: it is small, and encoding is done once."""
        if "vae" not in self._loaded:
            import torch
            from diffusers import AutoencoderKL

            self._loaded["vae"] = self._load(AutoencoderKL, "vae", torch.float32)
        return self._loaded["vae"]

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """See `Base`."""
        import torch

        with torch.no_grad():
            encoded: Any = self.vae().encode(pixels[None].contiguous().to(self.device))
            return encoded.latent_dist.mode()[0]

    def pack(self, latents: torch.Tensor) -> tuple[torch.Tensor, Grid]:
        """See `Base`."""
        config = self.vae_config()
        shifted = (latents - float(config["shift_factor"])) * float(config["scaling_factor"])
        return pack_latents(shifted), (latents.shape[2] // 2, latents.shape[3] // 2)

    def tokens(self, width: int, height: int) -> int:
        """See `Base`."""
        return (width // PIXELS) * (height // PIXELS)

    def text_dtype(self) -> torch.dtype:
        """Half precision on a GPU, where T5 does not fit otherwise; fp32 on the CPU."""
        return half_dtype(self.device)

    def encode_prompt(self, prompt: str) -> Embeddings:
        """See `Base`."""
        import torch

        with torch.no_grad():
            return self.text_encoders().encode(prompt)

    def text_encoders(self) -> TextEncoders:
        """Both text encoders with their tokenizers; in fp16 T5 keeps its `wo` layers in fp32, as transformers has it."""
        if "text" not in self._loaded:
            from transformers import AutoTokenizer, CLIPTextModel, T5EncoderModel

            dtype = self.text_dtype()
            self._loaded["text"] = TextEncoders(
                clip=self._load(CLIPTextModel, "text_encoder", dtype),
                clip_tokenizer=AutoTokenizer.from_pretrained(self.path / "tokenizer", **_OWN_FILES),
                t5=self._load(T5EncoderModel, "text_encoder_2", dtype),
                t5_tokenizer=AutoTokenizer.from_pretrained(self.path / "tokenizer_2", **_OWN_FILES),
            )
        return self._loaded["text"]

    def generator(self, adapter: Path | None = None, scale: float = 1.0) -> AbstractContextManager[Generate]:
        """See `Base`."""
        return generator(self, adapter, scale)

    def scheduler(self) -> FlowMatchEulerDiscreteScheduler:
        """A fresh scheduler with the base's own settings."""
        from diffusers import FlowMatchEulerDiscreteScheduler

        return FlowMatchEulerDiscreteScheduler.from_pretrained(self.path / "scheduler")  # pyright: ignore[reportReturnType]

    def scheduler_config(self) -> dict[str, Any]:
        """See `Base`; read without importing diffusers."""
        return json.loads((self.path / "scheduler" / "scheduler_config.json").read_text())

    def vae_config(self) -> dict[str, Any]:
        """The VAE's settings, read without loading it: `shift_factor`, `scaling_factor` and so on."""
        if "vae_config" not in self._loaded:
            self._loaded["vae_config"] = json.loads((self.path / "vae" / "config.json").read_text())
        return self._loaded["vae_config"]

    def release(self, *parts: Part) -> None:
        """See `Base`."""
        forget(self._loaded, parts)

    def part_sha256(self, part: Part) -> str:
        """See `Base`."""
        return folders_sha256(self.path, _FOLDERS[part])

    def _load(self, kind: Any, folder: str, dtype: torch.dtype, device: torch.device | None = None) -> Any:
        try:
            if kind.__module__.startswith("diffusers"):
                model = kind.from_pretrained(self.path / folder, torch_dtype=dtype, **_WEIGHTS)
            else:
                model = kind.from_pretrained(self.path / folder, dtype=dtype, **_WEIGHTS)
        except (OSError, ValueError, KeyError) as error:
            raise TrainerError(
                "InvalidInput",
                f"Expected a {kind.__name__} in {self.path / folder}, got: {error}",
                {"field": "base", "component": folder},
            ) from error
        return model.requires_grad_(False).eval().to(device or self.device)
