"""The frozen base model of a session: components in diffusers' folder layout, each loaded when first asked for."""

from __future__ import annotations

import gc
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from plein_air.devices import prepare_torch
from plein_air.durable import sha256_file
from plein_air.errors import TrainerError
from plein_air.holding import Holding, bring_when_needed, clip_activations, offloaded, placement
from plein_air.quantized import check_holding, load_quantized, stored_quantization

if TYPE_CHECKING:
    import numpy as np
    import torch
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from numpy.typing import NDArray

Part = Literal["vae", "text", "transformer"]

_FOLDERS: dict[Part, tuple[str, ...]] = {
    "vae": ("vae",),
    "text": ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"),
    "transformer": ("transformer",),
}
_session: dict[str, dict[Any, Any]] = {}
_hashes: dict[tuple[str, int, int], str] = {}


@dataclass(frozen=True)
class TextEncoders:
    """CLIP for the pooled embedding, T5 for the sequence, with their tokenizers."""

    clip: Any
    clip_tokenizer: Any
    t5: Any
    t5_tokenizer: Any


def open_base(path: str, holding: Holding) -> FluxBase:
    """The session's base of this folder; a later request finds its components loaded, the transformer as held."""
    if not (Path(path) / "model_index.json").is_file():
        raise TrainerError(
            "InvalidInput",
            f"Expected a FLUX pipeline in diffusers' layout at base, got no model_index.json in {path}: "
            "download the base model there first.",
            {"field": "base", "path": path},
        )
    return FluxBase(Path(path), holding, prepare_torch(), in_session(str(Path(path).resolve())))


def in_session(model: str) -> dict[Any, Any]:
    """What is loaded of a model, to be filled by its loader; opening another model lets go of all of it."""
    if model not in _session:
        # One large model a session: two of them do not fit on a GPU.
        _session.clear()
        _session[model] = {}
        gc.collect()
    return _session[model]


class FluxBase:
    """Components of one base folder, frozen, in eval mode, on the device."""

    def __init__(self, path: Path, holding: Holding, device: torch.device, loaded: dict[Part, Any]) -> None:
        """Loads nothing yet; `loaded` is shared by everyone who opens the same folder in this session."""
        self.path = path
        self.holding = holding
        self.device = device
        self._loaded = loaded

    def transformer(self) -> FluxTransformer2DModel:
        """The transformer as this base is held, without adapters."""
        if "transformer" in self._loaded and self._loaded["transformer"][0] != self.holding:
            self.release("transformer")
        if "transformer" not in self._loaded:
            self._loaded["transformer"] = (self.holding, self._load_transformer())
        return self._loaded["transformer"][1]

    def _load_transformer(self) -> FluxTransformer2DModel:
        import torch
        from diffusers import FluxTransformer2DModel

        holding = self.holding
        check_holding(self.path / "transformer", holding)
        # What is stored in int8 is loaded by diffusers itself: its header says how to put the tensors together.
        if holding.quantization == "none" or stored_quantization(self.path / "transformer") == "int8":
            host = torch.device("cpu") if holding.offload_blocks else self.device
            model = self._load(FluxTransformer2DModel, "transformer", holding.dtype(), host)
            where = placement(model, holding.offload_blocks, self.device)
            for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
                tensor.data = tensor.data.to(where(name))
        else:
            model = load_quantized(self.path / "transformer", holding, self.device)
            model.requires_grad_(False).eval()
        for block in offloaded(model, holding.offload_blocks):
            _pin(block, self.device)
            bring_when_needed(block, self.device)
        if holding.precision == "fp16":
            clip_activations(model)
        return model

    def vae(self) -> AutoencoderKL:
        """The VAE, always fp32: it is small, and encoding is done once."""
        if "vae" not in self._loaded:
            import torch
            from diffusers import AutoencoderKL

            self._loaded["vae"] = self._load(AutoencoderKL, "vae", torch.float32)
        return self._loaded["vae"]

    def text_dtype(self) -> torch.dtype:
        """bf16 on a GPU, where T5 does not fit otherwise; fp32 on the CPU."""
        import torch

        return torch.bfloat16 if self.device.type == "cuda" else torch.float32

    def text_encoders(self) -> TextEncoders:
        """Both text encoders with their tokenizers."""
        if "text" not in self._loaded:
            from transformers import AutoTokenizer, CLIPTextModel, T5EncoderModel

            dtype = self.text_dtype()
            self._loaded["text"] = TextEncoders(
                clip=self._load(CLIPTextModel, "text_encoder", dtype),
                clip_tokenizer=AutoTokenizer.from_pretrained(self.path / "tokenizer"),
                t5=self._load(T5EncoderModel, "text_encoder_2", dtype),
                t5_tokenizer=AutoTokenizer.from_pretrained(self.path / "tokenizer_2"),
            )
        return self._loaded["text"]

    def text_length(self) -> int:
        """Tokens that T5 is given, 512 for FLUX.1-dev: use it as `max_sequence_length` when sampling."""
        return min(512, self.text_encoders().t5_tokenizer.model_max_length)

    def scheduler(self) -> FlowMatchEulerDiscreteScheduler:
        """A fresh scheduler with the base's own settings."""
        from diffusers import FlowMatchEulerDiscreteScheduler

        return FlowMatchEulerDiscreteScheduler.from_pretrained(self.path / "scheduler")  # pyright: ignore[reportReturnType]

    def scheduler_config(self) -> dict[str, Any]:
        """The scheduler's settings, read without importing diffusers."""
        return json.loads((self.path / "scheduler" / "scheduler_config.json").read_text())

    def vae_config(self) -> dict[str, Any]:
        """The VAE's settings, read without loading it: `shift_factor`, `scaling_factor` and so on."""
        return json.loads((self.path / "vae" / "config.json").read_text())

    def pipeline(self) -> FluxPipeline:
        """A FluxPipeline over transformer and VAE, silent on the terminal; prompts come to it encoded."""
        from diffusers import FluxPipeline

        pipeline = FluxPipeline(
            scheduler=self.scheduler(),
            vae=self.vae(),
            text_encoder=None,  # pyright: ignore[reportArgumentType]
            tokenizer=None,  # pyright: ignore[reportArgumentType]
            text_encoder_2=None,  # pyright: ignore[reportArgumentType]
            tokenizer_2=None,  # pyright: ignore[reportArgumentType]
            transformer=self.transformer(),
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def release(self, *parts: Part) -> None:
        """Frees components; they load again when next asked for."""
        freed = [self._loaded.pop(part, None) for part in parts]
        if any(part is not None for part in freed):
            import torch

            del freed
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def part_sha256(self, part: Part) -> str:
        """sha256 over the names and contents of a component's files: its content address."""
        import hashlib

        digest = hashlib.sha256()
        for folder in _FOLDERS[part]:
            for file in sorted((self.path / folder).rglob("*")):
                if file.is_file() and not file.name.startswith("."):
                    digest.update(f"{file.relative_to(self.path)}\0{_hash_once(file)}\n".encode())
        return digest.hexdigest()

    def _load(self, kind: Any, folder: str, dtype: torch.dtype, device: torch.device | None = None) -> Any:
        try:
            if kind.__module__.startswith("diffusers"):
                model = kind.from_pretrained(self.path / folder, torch_dtype=dtype, local_files_only=True)
            else:
                model = kind.from_pretrained(self.path / folder, dtype=dtype, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise TrainerError(
                "InvalidInput",
                f"Expected a {kind.__name__} in {self.path / folder}, got: {error}",
                {"field": "base", "component": folder},
            ) from error
        return model.requires_grad_(False).eval().to(device or self.device)


def decode_latents(pipeline: Any, latents: torch.Tensor, size: int) -> NDArray[np.float32]:
    """Images (n, size, size, 3) in 0 to 1 from packed latents, decoded in the VAE's own type.

    FluxPipeline hands its VAE latents of the transformer's type: with a transformer in half precision it cannot decode.
    """
    import numpy as np

    vae = pipeline.vae
    unpacked = pipeline._unpack_latents(latents, size, size, pipeline.vae_scale_factor)
    shifted = (unpacked / vae.config.scaling_factor) + vae.config.shift_factor
    pixels = vae.decode(shifted.to(vae.dtype), return_dict=False)[0]
    return np.asarray(pipeline.image_processor.postprocess(pixels, output_type="np"), dtype=np.float32)


def _pin(block: Any, device: torch.device) -> None:
    """Locks a block's plain weights in host memory, from where a GPU copies them without waiting for the CPU."""
    if device.type != "cuda":
        return
    for parameter in block.parameters():
        if type(parameter.data).__name__ == "Tensor":
            parameter.data = parameter.data.pin_memory()


def _hash_once(file: Path) -> str:
    """sha256 of a file, remembered for the session while its size and time stay the same."""
    stat = file.stat()
    key = (str(file), stat.st_size, stat.st_mtime_ns)
    if key not in _hashes:
        _hashes[key] = sha256_file(file.resolve())
    return _hashes[key]
