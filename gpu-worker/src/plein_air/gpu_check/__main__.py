"""What FLUX.1-dev costs on this machine: `python -m plein_air.gpu_check --out DIR [--plan FILE] [--small]`.

Writes DIR/gpu-check.json and DIR/gpu-check.md. Random weights of the real shapes, the real trainer process: every profile is
encoded for, trained with validation images and held-out loss, sampled from and evaluated, then killed by SIGKILL behind its
second checkpoint and resumed in another process. Needs 24 GB of disk; `--small` takes the tiny base and runs on a CPU.

The plan is a JSON object: `profiles` by name, each with `training` (the protocol's `TrainerTraining`), `resolution`, and, where
known, `predictedVramBytes` and `peakFlops` of this card in the profile's type. Without one, the built-in settings of four
profiles are measured.

gpu-check.json: `format` 1, `date`, `small`, `seconds`, `machine` (the result of the verb `probe`), `profiles` by name:

    microStepSeconds, microStepFlops, shareOfPeak, peakVramBytes, predictedVramBytes, heldOutSeconds,
    validationImagesSeconds, validationImagesFailed, checkpointStallSeconds, checkpointBytes, encodeSecondsPerView,
    sampleSecondsPerImage (at `sampleSteps` denoising steps), evaluateSecondsPerImage, adapterSha256, resumedEqual, error

A figure that was not reached is null or absent; `error` is null where the profile went through. Exit code 1 if one did not.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from pathlib import Path
from typing import Any

from plein_air.atomic_io import write_atomically
from plein_air.gpu_check.base import write_base, write_dataset
from plein_air.gpu_check.client import Client
from plein_air.gpu_check.measure import Profile, Run
from plein_air.gpu_check.page import page

_TINY_BASE = Path(__file__).parents[3] / "tiny-base"
_SMALL_SIDE = 64
_DEFAULTS: dict[str, Any] = {
    "seed": 1, "steps": 4, "batchSize": 1, "accumulation": 2, "learningRate": 1e-4, "schedule": "constant",
    "scheduleSteps": 4, "warmupSteps": 1, "rank": 16, "alpha": 16, "targets": "attention+feed-forward",
    "optimizer": "adamw", "weightDecay": 1e-4, "gradientClip": 1, "captionDropout": 0.1, "flip": 0.5,
    "timesteps": "logit-normal", "guidance": 1, "precision": "bf16", "quantization": "none", "offloadBlocks": 0,
    "gradientCheckpointing": True, "attention": "auto", "compile": False, "ema": 0, "checkpointEvery": 1,
    "heldOutEvery": 2, "sampleEvery": 2, "earlyStopping": 0, "resolution": 512,
}  # fmt: skip
_PROFILES: dict[str, dict[str, Any]] = {
    "t4": {"precision": "fp16", "quantization": "nf4", "optimizer": "adamw-8bit"},
    "l4": {"quantization": "fp8"},
    "a100": {"resolution": 768},
    "h100": {"resolution": 768, "gradientCheckpointing": False},
}


def main() -> int:
    """Measures, writes both files, prints the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plan", type=Path)
    parser.add_argument("--profiles", nargs="+")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--tiny-base", type=Path, default=_TINY_BASE)
    options = parser.parse_args()
    out: Path = options.out.resolve()
    profiles = [p for p in read_profiles(options.plan) if not options.profiles or p.name in options.profiles]
    if not profiles:
        parser.error(f"expected profiles of the plan, got {options.profiles}")
    began = time.monotonic()
    with Client(out / "trainer.log") as trainer:
        machine = trainer.call("probe", {})
    if machine["device"] != "cuda" and not options.small:
        parser.error("expected a CUDA device, got none: --small runs the same code on a CPU")
    base = write_base(out / "work" / "base", options.tiny_base, options.small)
    runs = [_run(profile, base, out / "work", options.small) for profile in profiles]
    measure_all(runs, out / "trainer.log")
    report = {
        "format": 1,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "small": options.small,
        "seconds": time.monotonic() - began,
        "machine": machine,
        "profiles": {
            run.profile.name: {
                **run.figures.values,
                "predictedVramBytes": run.profile.predicted_vram,
                "error": run.figures.error,
            }
            for run in runs
        },
    }
    write_atomically(out / "gpu-check.json", json.dumps(report, indent=1, sort_keys=True).encode() + b"\n")
    write_atomically(out / "gpu-check.md", page(report).encode())
    sys.stdout.write(page(report))
    return 1 if any(run.figures.error for run in runs) else 0


def read_profiles(plan: Path | None) -> list[Profile]:
    """The plan's profiles, or the built-in ones."""
    if plan is None:
        settings = {name: {**_DEFAULTS, **own} for name, own in _PROFILES.items()}
        return [Profile(name, training, training["resolution"]) for name, training in settings.items()]
    return [
        Profile(name, told["training"], told["resolution"], told.get("predictedVramBytes"), told.get("peakFlops"))
        for name, told in json.loads(plan.read_text())["profiles"].items()
    ]


def _run(profile: Profile, base: Path, work: Path, small: bool) -> Run:
    side = _SMALL_SIDE if small else profile.resolution
    return Run(profile, base, write_dataset(work / f"dataset-{side}", side), work / profile.name, side)


def measure_all(runs: list[Run], log: Path) -> None:
    """One process measures all; each killed one is followed by one that resumes it and is killed in the next profile."""
    interrupted: Run | None = None
    with Client(log) as trainer:
        for run in runs:
            _guarded(run, lambda run=run: run.measure(trainer))
    for run in [*(r for r in runs if r.figures.error is None), None]:
        with Client(log) as trainer:
            if interrupted is not None:
                _guarded(interrupted, lambda run=interrupted: run.resume(trainer))
            if run is not None:
                _guarded(run, lambda run=run: run.interrupt(trainer))
        interrupted = run if run is not None and run.figures.error is None else None


def _guarded(run: Run, work: Any) -> None:
    try:
        work()
    except Exception as error:
        run.figures.error = f"{type(error).__name__}: {str(error)[:300]}"


if __name__ == "__main__":
    sys.exit(main())
