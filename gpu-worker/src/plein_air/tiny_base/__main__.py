"""`python -m plein_air.tiny_base --pictures DIR --out DIR`: trains and saves the tiny FLUX base."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

VAE_STEPS = 1000
FLOW_STEPS = 3000
REFERENCE_MINUTES = 60
"""What the default steps take on one busy core; `--minutes` scales both counts by its share of this."""


def main() -> int:
    """Trains the VAE, then the transformer over its latents, and writes the base with a sample grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="folder with pictures.rgb and pictures.jsonl")
    parser.add_argument("--out", type=Path, required=True, help="the base's folder; replaced as a whole at the end")
    parser.add_argument("--grid", type=Path, help="also write a sample grid to this PNG")
    parser.add_argument("--stages", type=Path, help="keep the state of training here, and go on from what is there")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures in pixels, divisible by 16")
    parser.add_argument("--minutes", type=float, default=REFERENCE_MINUTES, help="scales the number of steps")
    parser.add_argument("--vae-steps", type=int, help="instead of what --minutes gives")
    parser.add_argument("--flow-steps", type=int, help="instead of what --minutes gives")
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    from plein_air.tiny_base.build import build_base

    share = options.minutes / REFERENCE_MINUTES
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out.parent, prefix=".tiny-base-") as folder:
        base = Path(folder) / "base"
        build_base(
            options.pictures,
            base,
            size=options.size,
            vae_steps=options.vae_steps or max(1, round(VAE_STEPS * share)),
            flow_steps=options.flow_steps or max(1, round(FLOW_STEPS * share)),
            seed=options.seed,
            stages=options.stages,
            grid=options.grid,
            log=_say,
        )
        if options.out.exists():
            shutil.rmtree(options.out)
        base.rename(options.out)
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
