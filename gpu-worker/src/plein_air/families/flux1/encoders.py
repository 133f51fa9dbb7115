"""FLUX.1's text encoders: CLIP for the pooled vector, T5 for the sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plein_air.errors import TrainerError

if TYPE_CHECKING:
    from plein_air.families.family import Embeddings

MAX_TOKENS = 512
"""Tokens that T5 is given for FLUX.1-dev: use it as `max_sequence_length` when sampling."""


@dataclass(frozen=True)
class TextEncoders:
    """Both encoders with their tokenizers."""

    clip: Any
    clip_tokenizer: Any
    t5: Any
    t5_tokenizer: Any

    def encode(self, prompt: str) -> Embeddings:
        """T5's sequence (tokens, width) and CLIP's pooled vector (width,), padded as FluxPipeline pads."""
        length = min(MAX_TOKENS, self.t5_tokenizer.model_max_length)
        sequence = self.t5(self._ids(self.t5_tokenizer, prompt, length), output_hidden_states=False)[0][0]
        ids = self._ids(self.clip_tokenizer, prompt, self.clip_tokenizer.model_max_length)
        pooled = self.clip(ids, output_hidden_states=False).pooler_output[0]
        for name, tensor in (("T5", sequence), ("CLIP", pooled)):
            if not bool(tensor.isfinite().all()):
                raise TrainerError(
                    "BadData",
                    f"Expected finite embeddings of {prompt[:80]!r} from {name} in {tensor.dtype}, got NaN or infinity: "
                    "download the base again, or use a GPU with bf16 (compute capability 8 and above).",
                )
        return sequence, pooled

    def _ids(self, tokenizer: Any, prompt: str, length: int) -> Any:
        told = tokenizer(prompt, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        return told.input_ids.to(self.t5.device)
