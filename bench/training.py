"""Micro-steps a second against diffusers' own LoRA script, on one base, the same pictures, and one thread.

    python bench/training.py --peer train_dreambooth_lora_flux.py [--rounds 5] [--side 64] [--batch 1]

The peer's script is not part of this project: take `examples/dreambooth/train_dreambooth_lora_flux.py` of diffusers at the
version in gpu-worker/requirements.lock, or the nearest, and name it by --peer or DIFFUSERS_FLUX_SCRIPT. It runs
unmodified; a wrapper notes when each of its micro-steps begins. Rounds are interleaved, so that a busy neighbour hits all.
Each child also tells its peak memory and the time from the start of the process to the first micro-step.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import itertools
import json
import os
import resource
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TINY = ROOT / "gpu-worker" / "tiny-base"
PICTURES, RANK, WARM = 16, 8, 6
VARIANTS = ("ours", "ours compiled", "diffusers", "diffusers cached")


def main() -> None:
    """Prints one JSON object with every variant's figures, and a table of ratios to stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("DIFFUSERS_FLUX_SCRIPT"), help="path of the peer's script")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", type=int, default=64, help="side of the pictures in pixels")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--variants", nargs="+", default=["ours", "diffusers", "diffusers cached"], choices=VARIANTS)
    options = parser.parse_args()
    if options.peer is None or not Path(options.peer).is_file():
        parser.error(f"expected the peer's script at --peer or DIFFUSERS_FLUX_SCRIPT, got {options.peer}")
    with tempfile.TemporaryDirectory(prefix="plein-air-bench-") as folder:
        write_pictures(Path(folder), options.side)
        runs: dict[str, list[dict[str, Any]]] = {variant: [] for variant in options.variants}
        for number in range(options.rounds):
            for variant in options.variants:
                runs[variant].append(run_child(variant, Path(folder), options, number))
                sys.stderr.write(f"round {number + 1}, {variant}: {median(runs[variant][-1]):.1f} ms\n")


def median(run: dict[str, Any]) -> float:
    """Median milliseconds of a run's micro-steps."""
    return statistics.median(run["milliseconds"])


def report(runs: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> dict[str, Any]:
    """Min over rounds of the median, median over rounds, and the ratio of both to ours."""
    figures = {
        variant: {
            "minMs": min(map(median, of)),
            "medianMs": statistics.median(map(median, of)),
            "peakMiB": statistics.median(r["peakBytes"] for r in of) / 2**20,
            "secondsToFirstStep": statistics.median(r["firstStep"] for r in of),
            "firstStepMs": statistics.median(r["milliseconds_all"][0] for r in of),
        }
        for variant, of in runs.items()
    }
    ours = figures.get("ours")
    if ours is not None:
        for of in figures.values():
            of["ratioMin"], of["ratioMedian"] = of["minMs"] / ours["minMs"], of["medianMs"] / ours["medianMs"]
    settings = {name: getattr(options, name) for name in ("side", "batch", "steps", "rounds")}
    return {"settings": settings, "rank": RANK, "figures": figures}


def run_child(variant: str, folder: Path, options: argparse.Namespace, number: int) -> dict[str, Any]:
    """One run in a process of its own, with one thread and no network."""
    out = folder / f"{variant.replace(' ', '-')}-{number}"
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'gpu-worker' / 'src'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "BENCH_STARTED": repr(time.time()),
    }
    request = {
        "variant": variant,
        "folder": str(folder),
        "out": str(out),
        "peer": str(Path(options.peer).resolve()),
        "side": options.side,
        "batch": options.batch,
        "steps": options.steps,
    }
    code = f"import sys, runpy; runpy.run_path({__file__!r})['child'](sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, json.dumps(request)],
        env=environment,
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        sys.exit(f"{variant} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(lines[-1])


def child(request: str) -> None:
    """Runs one variant and prints when its micro-steps began."""
    wanted = json.loads(request)
    import torch

    torch.set_num_threads(1)
    began: list[float] = []
    with contextlib.redirect_stdout(sys.stderr):
        (ours if wanted["variant"].startswith("ours") else theirs)(wanted, began)
    gaps = [1000 * (b - a) for a, b in itertools.pairwise(began)]
    {
        "milliseconds": gaps[WARM:],
        "milliseconds_all": gaps,
        "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "firstStep": began[1] - float(os.environ["BENCH_STARTED"]),
    }


def ours(wanted: dict[str, Any], began: list[float]) -> None:
    """Encodes and trains as a session does, from an empty cache."""
    import threading

    from plein_air.encoding import encode
    from plein_air.training import train
    from plein_air.training.trainer import Trainer

    class Silent:
        def __getattr__(self, _name: str) -> Any:
            return lambda *_args, **_fields: None

    plain = Trainer._micro_step

    def noted(self: Trainer) -> None:
        began.append(time.time())
        plain(self)

    Trainer._micro_step = noted
    out = Path(wanted["out"])
    silent: Any = Silent()
    common = {"base": str(TINY), "dataset": f"{wanted['folder']}/prepared"}
    splits = {"out": str(out / "cache"), "resolution": wanted["side"], "splits": ["train", "held_out"]}
    encode.run({**common, **splits}, silent, threading.Event())
    training = {
        "seed": 1,
        "steps": wanted["steps"],
        "batchSize": wanted["batch"],
        "accumulation": 1,
        "learningRate": 1e-4,
        "schedule": "constant",
        "scheduleSteps": wanted["steps"],
        "warmupSteps": 0,
        "rank": RANK,
        "alpha": RANK,
        "targets": "attention+feed-forward",
        "optimizer": "adamw",
        "weightDecay": 1e-4,
        "gradientClip": 1,
        "captionDropout": 0,
        "flip": 0,
        "timesteps": "logit-normal",
        "guidance": 1,
        "precision": "fp32",
        "quantisation": "none",
        "offloadBlocks": 0,
        "ema": 0,
        "gradientCheckpointing": False,
        "attention": "auto",
        "compile": "compiled" in wanted["variant"],
        "checkpointEvery": 10**6,
        "heldOutEvery": 10**6,
        "sampleEvery": 0,
        "earlyStopping": 0,
        "resolution": wanted["side"],
    }
    params = {
        **common,
        "baseCommit": "b",
        "datasetCommit": "d",
        "cache": str(out / "cache"),
        "out": str(out / "checkpoints"),
        "resumeFrom": None,
        "acceptDifferences": [],
        "stopAtStep": None,
        "training": training,
        "sampling": {"size": wanted["side"], "inferenceSteps": 4, "guidance": 1},
    }
    train.run(params, silent, threading.Event())


def theirs(wanted: dict[str, Any], began: list[float]) -> None:
    """Runs the peer's script as it is, noting when it enters a micro-step."""
    from accelerate import Accelerator

    plain = Accelerator.accumulate

    def noted(self: Accelerator, *models: Any) -> Any:
        began.append(time.time())
        return plain(self, *models)

    Accelerator.accumulate = noted
    arguments = {
        "pretrained_model_name_or_path": str(TINY),
        "dataset_name": f"{wanted['folder']}/folder",
        "image_column": "image",
        "caption_column": "text",
        "instance_prompt": "plnr",
        "output_dir": wanted["out"],
        "resolution": wanted["side"],
        "train_batch_size": wanted["batch"],
        "max_train_steps": wanted["steps"],
        "rank": RANK,
        "lora_alpha": RANK,
        "learning_rate": 1e-4,
        "lr_scheduler": "constant",
        "lr_warmup_steps": 0,
        "guidance_scale": 1,
        "mixed_precision": "no",
        "weighting_scheme": "logit_normal",
        "max_sequence_length": text_length(),
        "seed": 1,
        "checkpointing_steps": 10**6,
    }
    sys.argv = ["train", *(f"--{name}={value}" for name, value in arguments.items())]
    if wanted["variant"].endswith("cached"):
        sys.argv.append("--cache_latents")
    runpy.run_path(wanted["peer"], run_name="__main__")


def text_length() -> int:
    """Tokens that the tiny base's T5 is given: the same for both."""
    settings = json.loads((TINY / "tokenizer_2" / "tokenizer_config.json").read_text())
    return min(512, int(settings["model_max_length"]))


def write_pictures(folder: Path, side: int) -> None:
    """The same pictures and captions twice: as a prepared dataset, and as a folder of files with a list."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as parquet
    from PIL import Image

    (folder / "prepared" / "data").mkdir(parents=True)
    (folder / "folder").mkdir()
    rows: list[dict[str, Any]] = []
    listed: list[dict[str, str]] = []
    for index in range(PICTURES + 2):
        small = np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "PNG")
        data, caption = buffer.getvalue(), f"a landscape with {index} trees, plnr impressionism"
        rows.append(
            {
                "image": {"bytes": data, "path": None},
                "id": hashlib.sha256(data).hexdigest()[:16],
                "caption": caption,
                "width": side,
                "height": side,
                "flip_allowed": False,
            }
        )
        if index < PICTURES:
            (folder / "folder" / f"{index}.png").write_bytes(data)
            listed.append({"file_name": f"{index}.png", "text": caption})
    for split, part in (("train", rows[:PICTURES]), ("held_out", rows[PICTURES:])):
        parquet.write_table(
            pa.Table.from_pylist(part), folder / "prepared" / "data" / f"{split}-00000-of-00001.parquet"
        )
    (folder / "folder" / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in listed))


if __name__ == "__main__":
    main()
