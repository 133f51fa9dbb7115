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

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

Precision = Literal["fp32", "bf16", "fp16"]
Part = Literal["vae", "text", "transformer"]

_FOLDERS: dict[Part, tuple[str, ...]] = {
    "vae": ("vae",),
    "text": ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"),
    "transformer": ("transformer",),
}
_session: dict[str, dict[Part, Any]] = {}
_hashes: dict[tuple[str, int, int], str] = {}


@dataclass(frozen=True)
class TextEncoders:
    """CLIP for the pooled embedding, T5 for the sequence, with their tokenizers."""

    clip: Any
    clip_tokenizer: Any
    t5: Any
    t5_tokenizer: Any


def torch_dtype(precision: Precision) -> torch.dtype:
    """The compute type by its name in the configuration."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def open_base(path: str, precision: Precision) -> FluxBase:
    """The session's base of this folder; a later request finds its components loaded, the transformer in `precision`."""
    key = str(Path(path).resolve())
    if not (Path(path) / "model_index.json").is_file():
        raise TrainerError(
            "InvalidInput",
            f"Expected a FLUX pipeline in diffusers' layout at base, got no model_index.json in {path}: "
            "download the base model there first.",
            {"field": "base", "path": path},
        )
    if key not in _session:
        # One base a session: two of them do not fit on a GPU.
        _session.clear()
        _session[key] = {}
        gc.collect()
    return FluxBase(Path(path), precision, prepare_torch(), _session[key])


def load_transformer(path: str, precision: Precision) -> FluxTransformer2DModel:
    """The session's frozen transformer."""
    return open_base(path, precision).transformer()


def load_pipeline(path: str, precision: Precision) -> FluxPipeline:
    """A FluxPipeline over the session's components."""
    return open_base(path, precision).pipeline()


class FluxBase:
    """Components of one base folder, frozen, in eval mode, on the device."""

    def __init__(self, path: Path, precision: Precision, device: torch.device, loaded: dict[Part, Any]) -> None:
        """Loads nothing yet; `loaded` is shared by everyone who opens the same folder in this session."""
        self.path = path
        self.precision: Precision = precision
        self.device = device
        self._loaded = loaded

    def transformer(self) -> FluxTransformer2DModel:
        """The transformer in this base's precision, without adapters."""
        dtype = torch_dtype(self.precision)
        if "transformer" in self._loaded and self._loaded["transformer"].dtype != dtype:
            self.release("transformer")
        if "transformer" not in self._loaded:
            from diffusers import FluxTransformer2DModel

            self._loaded["transformer"] = self._load(FluxTransformer2DModel, "transformer", dtype)
        return self._loaded["transformer"]

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
        """A FluxPipeline over the session's components, silent on the terminal."""
        from diffusers import FluxPipeline

        text = self.text_encoders()
        pipeline = FluxPipeline(
            scheduler=self.scheduler(),
            vae=self.vae(),
            text_encoder=text.clip,
            tokenizer=text.clip_tokenizer,
            text_encoder_2=text.t5,
            tokenizer_2=text.t5_tokenizer,
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

    def _load(self, kind: Any, folder: str, dtype: torch.dtype) -> Any:
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
        return model.requires_grad_(False).eval().to(self.device)


def _hash_once(file: Path) -> str:
    """sha256 of a file, remembered for the session while its size and time stay the same."""
    stat = file.stat()
    key = (str(file), stat.st_size, stat.st_mtime_ns)
    if key not in _hashes:
        _hashes[key] = sha256_file(file.resolve())
    return _hashes[key]
