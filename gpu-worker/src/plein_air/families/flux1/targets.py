"""Linear layers of a FLUX.1 transformer that each preset of `training.targets` adapts."""

from __future__ import annotations

import re
from typing import assert_never

from plein_air.families.family import Targets

_BLOCK = r"(single_)?transformer_blocks\.\d+\."
_ATTENTION = r"attn\.(to_q|to_k|to_v|to_out\.0|add_q_proj|add_k_proj|add_v_proj|to_add_out)"
_FEED_FORWARD = r"(ff|ff_context)\.net\.(0\.proj|2)"


def target_layers(preset: Targets) -> re.Pattern[str]:
    """Full matches of module names: attention of image and text, or a loader may not recognize the file as one for FLUX.

    `attention+feed-forward` means the feed-forward layers of double blocks alone, as diffusers' own script has it: single
    blocks keep `proj_mlp` and `proj_out`. `all-linear` takes those, too, and the modulation.
    """
    match preset:
        case "attention":
            layers = _ATTENTION
        case "attention+feed-forward":
            layers = f"({_ATTENTION}|{_FEED_FORWARD})"
        case "all-linear":
            layers = ".+"
        case _:
            assert_never(preset)
    return re.compile(_BLOCK + layers)
