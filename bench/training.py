"""Micro-steps a second against diffusers' own LoRA script, on one base, the same pictures, and one thread.

    python bench/training.py --peer train_dreambooth_lora_flux.py [--rounds 7] [--side 64] [--batch 1]

The peer's script is not part of this project: take `examples/dreambooth/train_dreambooth_lora_flux.py` of diffusers at the
version in gpu-worker/requirements.lock, or the nearest, and name it by --peer or DIFFUSERS_FLUX_SCRIPT. It runs
unmodified; a wrapper notes when each of its micro-steps begins. Every variant is a process of its own that waits after some
micro-steps for its next turn, so that rounds are interleaved and a busy neighbor hits all. By the clock and in CPU time.
"""

from __future__ import annotations

import argparse
import hashlib
import io
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
PICTURES, RANK, STEPS = 16, 8, 1_000_000
VARIANTS = ("ours", "ours compiled", "ours warm", "diffusers", "diffusers cached")
"""`ours warm` is a session's second training: base loaded, pictures encoded; its time to the first step tells."""


def main() -> None:
    """Prints one JSON object with every variant's figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=os.environ.get("DIFFUSERS_FLUX_SCRIPT"), help="path of the peer's script")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--burst", type=int, default=20, help="micro-steps of a variant in a round")
    parser.add_argument("--side", type=int, default=64, help="side of the pictures in pixels")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--variants", nargs="+", default=["ours", "diffusers", "diffusers cached"], choices=VARIANTS)
    options = parser.parse_args()
    if options.peer is None or not Path(options.peer).is_file():
        parser.error(f"expected the peer's script at --peer or DIFFUSERS_FLUX_SCRIPT, got {options.peer}")
    with tempfile.TemporaryDirectory(prefix="plein-air-bench-") as folder:
        write_pictures(Path(folder), options.side)
        children = {variant: Child(variant, Path(folder), options) for variant in options.variants}
        bursts: dict[str, list[dict[str, Any]]] = {variant: [] for variant in children}
        # The first round warms up and counts for nothing but the first step.
        for _ in range(options.rounds + 1):
            for variant, child_process in children.items():
                bursts[variant].append(child_process.burst())
        for child_process in children.values():
            child_process.end()
    figures = {variant: figures_of(of, children[variant].ready) for variant, of in bursts.items()}
    for of in figures.values():
        for name in ("wallMin", "wallMedian", "cpuMin", "cpuMedian"):
            of[f"{name}Ratio"] = round(of[name] / figures["ours"][name], 2) if "ours" in figures else None
    settings = {name: getattr(options, name) for name in ("side", "batch", "burst", "rounds")}
    sys.stdout.write(json.dumps({**settings, "variants": figures}, indent=1) + "\n")


def figures_of(bursts: list[dict[str, Any]], ready: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds a micro-step: the least and the median of the rounds' medians, by the clock and of the CPU."""
    warm = bursts[1:]
    wall = [1000 * statistics.median(burst["wall"]) for burst in warm]
    cpu = [1000 * statistics.median(burst["cpu"]) for burst in warm]
    return {
        "wallMin": min(wall),
        "wallMedian": statistics.median(wall),
        "cpuMin": min(cpu),
        "cpuMedian": statistics.median(cpu),
        "peakMiB": warm[-1]["peakBytes"] / 2**20,
        "secondsToFirstStep": ready["sinceStart"],
        "cpuSecondsToFirstStep": ready["cpuSinceStart"],
        "firstStepMs": 1000 * bursts[0]["wall"][0],
    }


class Child:
    """One variant in a process of its own, with one thread and no network; it runs when it is told to."""

    def __init__(self, variant: str, folder: Path, options: argparse.Namespace) -> None:
        """Starts it and waits until its first micro-step is about to begin."""
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
            "out": str(folder / variant.replace(" ", "-")),
            "peer": str(Path(options.peer).resolve()),
            "side": options.side,
            "batch": options.batch,
            "burst": options.burst,
        }
        code = f"import sys, runpy; runpy.run_path({__file__!r})['child'](sys.argv[1])"
        self._log = (folder / f"{variant.replace(' ', '-')}.log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, json.dumps(request)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.ready = self._read()

    def burst(self) -> dict[str, Any]:
        """Runs some micro-steps and returns their seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._read()

    def end(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            sys.exit(f"a variant ended with {self._process.wait()}:\n{self._log.read()[-3000:]}")
        return json.loads(line)


class Pace:
    """Notes when micro-steps begin, and waits for the word after every burst."""

    def __init__(self, burst: int) -> None:
        """Keeps the real stdout for itself: libraries print to the other one."""
        self._burst = burst
        self._wall: list[float] = []
        self._cpu: list[float] = []
        self._last: tuple[float, float] | None = None
        self._began = float(os.environ["BENCH_STARTED"]), 0.0
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def start(self) -> None:
        """What came before does not count for the time to the first step."""
        self._began = time.time(), time.process_time()

    def step(self) -> None:
        """A micro-step begins."""
        now = time.perf_counter(), time.process_time()
        if self._last is not None:
            self._wall.append(now[0] - self._last[0])
            self._cpu.append(now[1] - self._last[1])
        if self._last is None or len(self._wall) == self._burst:
            self._tell()
            now = time.perf_counter(), time.process_time()
        self._last = now

    def _tell(self) -> None:
        figures = {
            "wall": self._wall,
            "cpu": self._cpu,
            "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "sinceStart": time.time() - self._began[0],
            "cpuSinceStart": time.process_time() - self._began[1],
        }
        self._wall, self._cpu = [], []
        self._out.write(json.dumps(figures) + "\n")
        self._out.flush()
        if sys.stdin.readline().strip() != "go":
            os._exit(0)


def child(request: str) -> None:
    """Runs one variant, burst by burst."""
    wanted = json.loads(request)
    import torch

    torch.set_num_threads(1)
    pace = Pace(wanted["burst"])
    (ours if wanted["variant"].startswith("ours") else theirs)(wanted, pace)


def ours(wanted: dict[str, Any], pace: Pace) -> None:
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
        pace.step()
        plain(self)

    out = Path(wanted["out"])
    silent: Any = Silent()
    common = {"base": str(TINY), "dataset": f"{wanted['folder']}/prepared"}
    training = {
        "seed": 1,
        "steps": STEPS,
        "batchSize": wanted["batch"],
        "accumulation": 1,
        "learningRate": 1e-4,
        "schedule": "constant",
        "scheduleSteps": STEPS,
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
        "quantization": "none",
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
    wanted_views = {"out": str(out / "cache"), "training": training, "stopAtStep": None}
    encode.run({**common, **wanted_views}, silent, threading.Event())
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
    if wanted["variant"].endswith("warm"):
        train.run({**params, "stopAtStep": 1, "out": str(out / "first")}, silent, threading.Event())
        pace.start()
    Trainer._micro_step = noted
    train.run(params, silent, threading.Event())


def theirs(wanted: dict[str, Any], pace: Pace) -> None:
    """Runs the peer's script as it is, noting when it enters a micro-step."""
    from accelerate import Accelerator

    plain = Accelerator.accumulate

    def noted(self: Accelerator, *models: Any) -> Any:
        pace.step()
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
        "max_train_steps": STEPS,
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
