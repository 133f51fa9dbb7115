"""The velocity that a FLUX.1 transformer predicts: what training fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plein_air.families.flux1.packing import image_ids

if TYPE_CHECKING:
    import torch

    from plein_air.families.family import Grid


class FluxVelocity:
    """The prediction of one transformer at one guidance; a `Velocity`."""

    def __init__(self, transformer: Any, guidance: float) -> None:
        """Keeps what is the same for every batch of a size."""
        self._transformer = transformer
        self._guidance = guidance
        # Read once: the model looks through all of its parameters to tell.
        self._dtype: torch.dtype = transformer.dtype
        self._ids: dict[tuple[Grid, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def __call__(
        self, noisy: torch.Tensor, sigma: torch.Tensor, sequence: torch.Tensor, pooled: torch.Tensor, grid: Grid
    ) -> torch.Tensor:
        """See `Velocity`."""
        import torch

        dtype, device = self._dtype, noisy.device
        img_ids, txt_ids = self._positions(grid, sequence.shape[1], device)
        guidance = None
        if self._transformer.config.guidance_embeds:
            guidance = torch.full((len(sigma),), self._guidance, dtype=dtype, device=device)
        return self._transformer(
            hidden_states=noisy.to(dtype),
            # The model multiplies by 1000 again: this is diffusers' timestep / 1000.
            timestep=sigma.to(dtype),
            guidance=guidance,
            pooled_projections=pooled.to(dtype),
            encoder_hidden_states=sequence.to(dtype),
            txt_ids=txt_ids,
            img_ids=img_ids,
            return_dict=False,
        )[0].float()

    def _positions(self, grid: Grid, text_tokens: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        key = (grid, text_tokens)
        if key not in self._ids:
            texts = torch.zeros(text_tokens, 3, device=device, dtype=self._dtype)
            self._ids[key] = (image_ids(*grid, device, self._dtype), texts)
        return self._ids[key]
