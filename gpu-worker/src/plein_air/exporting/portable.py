"""An adapter with one meaning in every program that loads it.

A LoRA's update is B A alpha / rank, and alpha is in a header that only some programs read: the others take alpha for the
rank, silently. So the exported B matrices carry alpha / rank themselves, and the header says that alpha is the rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plein_air.tensor_file import pack_tensors, read_tensors
from plein_air.training.adapter import header_config, lora_header, rank_and_alpha

if TYPE_CHECKING:
    import torch

_B = ".lora_B.weight"


@dataclass(frozen=True)
class Portable:
    """Matrices whose update is B A, by their names in diffusers' file."""

    tensors: dict[str, torch.Tensor]
    rank: int
    modules: tuple[str, ...]

    def pack(self, about: Mapping[str, str]) -> bytes:
        """Bytes of diffusers' file, with facts for people in its header."""
        header = lora_header(self.rank, self.rank, self.modules)
        return pack_tensors(self.tensors, {**about, "format": "pt", "lora_adapter_metadata": header})

    def without_effect(self) -> Portable:
        """The same adapter with every B matrix zero: a file that loads and changes nothing."""
        zeroed = {n: t.new_zeros(t.shape) if n.endswith(_B) else t for n, t in self.tensors.items()}
        return Portable(zeroed, self.rank, self.modules)


def portable(adapter: Path) -> Portable:
    """A trained adapter with alpha / rank multiplied into its B matrices, in their own type: exact for powers of two."""
    rank, alpha = rank_and_alpha(adapter)
    scale = alpha / rank
    folded = {n: t * scale if n.endswith(_B) and scale != 1 else t for n, t in read_tensors(adapter).items()}
    return Portable(folded, rank, tuple(header_config(adapter)["target_modules"]))
