"""Images as a user of FluxPipeline gets them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plein_air.errors import TrainerError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from plein_air.families.family import Embeddings, Generate
    from plein_air.families.flux1.base import FluxBase


@contextmanager
def generator(base: FluxBase, adapter: Path | None, scale: float) -> Iterator[Generate]:
    """See `Base.generator`; the transformer is the session's and goes back without the adapter."""
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    pipeline = _pipeline(base)
    if adapter is not None:
        _load_adapter(pipeline, adapter, scale)

    def generate(
        *,
        embeddings: Sequence[Embeddings],
        generators: Sequence[torch.Generator],
        size: int,
        steps: int,
        guidance: float,
        on_step: Callable[[], None] = lambda: None,
    ) -> NDArray[np.float32]:
        import torch

        def step_done(_pipeline: Any, _step: int, _time: Any, kept: dict[str, Any]) -> dict[str, Any]:
            on_step()
            return kept

        sequence, pooled = (
            torch.stack([pair[part] for pair in embeddings]).to(base.device, base.options.dtype()) for part in (0, 1)
        )
        with torch.no_grad():
            made = pipeline(
                prompt_embeds=sequence,
                pooled_prompt_embeds=pooled,
                width=size,
                height=size,
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=list(generators),
                output_type="latent",
                callback_on_step_end=step_done,
            )
            return _decode(pipeline, made.images, size)

    try:
        yield generate
    finally:
        if adapter is not None:
            pipeline.unload_lora_weights()


def _pipeline(base: FluxBase) -> Any:
    """A FluxPipeline over transformer and VAE, silent on the terminal; prompts come to it encoded."""
    from diffusers import FluxPipeline

    parts: dict[str, Any] = dict.fromkeys(("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
    pipeline = FluxPipeline(scheduler=base.scheduler(), vae=base.vae(), transformer=base.transformer(), **parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _decode(pipeline: Any, latents: torch.Tensor, size: int) -> NDArray[np.float32]:
    """Images (n, size, size, 3) in 0 to 1 from packed latents, decoded in the VAE's own type.

    FluxPipeline hands its VAE latents of the transformer's type: with a transformer in half precision it cannot decode.
    """
    import numpy as np

    vae = pipeline.vae
    unpacked = pipeline._unpack_latents(latents, size, size, pipeline.vae_scale_factor)
    shifted = (unpacked / vae.config.scaling_factor) + vae.config.shift_factor
    pixels = vae.decode(shifted.to(vae.dtype), return_dict=False)[0]
    return np.asarray(pipeline.image_processor.postprocess(pixels, output_type="np"), dtype=np.float32)


def _load_adapter(pipeline: Any, adapter: Path, scale: float) -> None:
    try:
        pipeline.load_lora_weights(str(adapter.parent), weight_name=adapter.name, adapter_name="candidate")
        pipeline.set_adapters(["candidate"], [scale])
    except (ValueError, KeyError, RuntimeError, OSError) as error:
        raise TrainerError(
            "BadData",
            f"Expected {adapter} to load into FluxPipeline.load_lora_weights, got {type(error).__name__}: {error}",
            {"adapter": str(adapter)},
        ) from error
