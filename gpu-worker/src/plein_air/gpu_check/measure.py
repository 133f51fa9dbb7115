"""One profile through the real trainer: encode, train, sample, evaluate; then killed in training, and resumed."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plein_air.gpu_check.client import Client, Event

STEPS = 4
_SAMPLES = 2
_INFERENCE_STEPS = 4


@dataclass(frozen=True)
class Profile:
    """What is measured: a profile's own settings, and what was predicted of it."""

    name: str
    training: dict[str, Any]
    resolution: int
    predicted_vram: int | None = None
    peak_flops: float | None = None


@dataclass
class Figures:
    """What was found, by the names that the report has; a key that is missing was not reached."""

    values: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


class Run:
    """The requests of one profile in a folder of its own."""

    def __init__(self, profile: Profile, base: Path, dataset: Path, folder: Path, side: int) -> None:
        """Nothing is started yet."""
        self.profile, self._folder, self._side = profile, folder, side
        training = profile.training
        accumulation = min(2, training["accumulation"])
        self._training = {
            **training, "steps": STEPS, "scheduleSteps": STEPS, "warmupSteps": 1, "accumulation": accumulation,
            "checkpointEvery": 1, "heldOutEvery": 2, "sampleEvery": 2, "earlyStopping": 0, "resolution": side,
        }  # fmt: skip
        loading = {name: training[name] for name in ("precision", "quantization", "offloadBlocks")}
        self._common = {"base": str(base), "dataset": str(dataset)}
        self._sampling = {
            "base": str(base),
            "size": side,
            "inferenceSteps": _INFERENCE_STEPS,
            "guidance": 3.5,
            **loading,
        }
        self.figures = Figures()

    def measure(self, trainer: Client) -> None:
        """Encodes, trains without interruption, generates images and evaluates them."""
        found = self.figures.values
        began = time.monotonic()
        encode = {**self._common, "out": str(self._folder / "cache"), "training": self._training, "stopAtStep": None}
        encoded = trainer.call("encode", encode)
        found["encodeSecondsPerView"] = (time.monotonic() - began) / max(1, encoded["views"])
        events: list[Event] = []
        done = trainer.call("train", self._train("whole"), events.append)
        self._read(events)
        found["adapterSha256"] = done["adapterSha256"]
        adapter = Path(done["checkpoint"]) / "pytorch_lora_weights.safetensors"
        began = time.monotonic()
        for name, file in (("base", None), ("candidate", str(adapter))):
            trainer.call("sample", {**self._sampling, "adapter": file, "adapterScale": 1, "samples": _samples(),
                                    "out": str(self._folder / name)})  # fmt: skip
        found["sampleSecondsPerImage"] = (time.monotonic() - began) / (2 * _SAMPLES)
        found["sampleSteps"] = _INFERENCE_STEPS
        began = time.monotonic()
        trainer.call("evaluate", self._evaluate(adapter))
        found["evaluateSecondsPerImage"] = (time.monotonic() - began) / (2 * _SAMPLES)

    def interrupt(self, trainer: Client) -> None:
        """Trains again and kills the process right after its second checkpoint."""
        checkpoints: list[str] = []

        def at(event: Event) -> None:
            if event["event"] == "checkpoint":
                checkpoints.append(event["path"])
                if len(checkpoints) == 2:
                    trainer.kill()

        try:
            trainer.call("train", self._train("killed"), at)
        except Exception:
            if len(checkpoints) < 2:
                raise
        self._resume_from = checkpoints[1]

    def resume(self, trainer: Client) -> None:
        """Continues from the checkpoint in another process; the adapter's bytes must be those of the whole run."""
        request = {**self._train("resumed"), "resumeFrom": self._resume_from}
        done = trainer.call("train", request)
        self.figures.values["resumedEqual"] = done["adapterSha256"] == self.figures.values["adapterSha256"]

    def _train(self, name: str) -> dict[str, Any]:
        return {
            **self._common, "baseCommit": "b" * 40, "datasetCommit": "d" * 40, "cache": str(self._folder / "cache"),
            "out": str(self._folder / name), "resumeFrom": None, "acceptDifferences": [], "stopAtStep": None,
            "training": self._training,
            "sampling": {"size": min(512, self._side), "inferenceSteps": _INFERENCE_STEPS, "guidance": 3.5},
        }  # fmt: skip

    def _evaluate(self, adapter: Path) -> dict[str, Any]:
        told = {"genre": "landscape", "asks": None, "trigger": True, "sealed": False}
        samples = [
            {"id": one["id"], "prompt": one["prompt"], "promptId": one["id"], "text": one["prompt"], **told}
            for one in _samples()
        ]
        return {
            **self._common, "adapter": str(adapter), "baseSamples": str(self._folder / "base"),
            "candidateSamples": str(self._folder / "candidate"), "rivals": [], "parity": None,
            "encoder": "efficientnet-lite0", "models": [],
            "reference": "held_out", "samples": samples, "heldOutLoss": None, "confidence": 0.9,
            "seed": 1, "out": str(self._folder / "report"),
        }  # fmt: skip

    def _read(self, events: list[Event]) -> None:
        """Figures of a training from its own events."""
        found, metrics = self.figures.values, [e["values"] for e in events if e["event"] == "metric"]

        def median(name: str) -> float | None:
            values = [values[name] for values in metrics if name in values]
            # The first one warms up.
            return statistics.median(values[1:] or values) if values else None

        rate = median("imagesPerSecond")
        found["microStepSeconds"] = self._training["batchSize"] / rate if rate else None
        found["heldOutSeconds"] = median("heldOutSeconds")
        found["validationImagesSeconds"] = median("validationSeconds")
        found["validationImagesFailed"] = any("validationImagesFailed" in values for values in metrics)
        found["checkpointStallSeconds"] = median("checkpointStallSeconds")
        found["checkpointBytes"] = max((e["bytes"] for e in events if e["event"] == "checkpoint"), default=None)
        found["peakVramBytes"] = max((int(v["vramBytes"]) for v in metrics if "vramBytes" in v), default=None)
        flops = micro_step_flops(Path(self._common["base"]), self._training)
        found["microStepFlops"] = flops
        seconds, peak = found["microStepSeconds"], self.profile.peak_flops
        found["shareOfPeak"] = flops / seconds / peak if seconds and peak else None


def _samples() -> list[dict[str, Any]]:
    return [{"id": f"p{n}", "prompt": f"a painting of a river, number {n}", "seed": n} for n in range(_SAMPLES)]


def micro_step_flops(base: Path, training: dict[str, Any]) -> float:
    """Multiply-adds times two of a micro-step: forward, backward by activations, and forward again under checkpointing."""
    import torch
    from diffusers import FluxTransformer2DModel
    from torch.utils.flop_counter import FlopCounterMode

    config = json.loads((base / "transformer" / "config.json").read_text())
    with torch.device("meta"):
        model: Any = FluxTransformer2DModel.from_config(config)
    tokens, text = (training["resolution"] // 16) ** 2, 512

    def empty(*shape: int) -> torch.Tensor:
        return torch.empty(shape, device="meta")

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(
            hidden_states=empty(1, tokens, config["in_channels"]), timestep=empty(1), guidance=empty(1),
            pooled_projections=empty(1, config["pooled_projection_dim"]),
            encoder_hidden_states=empty(1, text, config["joint_attention_dim"]),
            img_ids=empty(tokens, 3), txt_ids=empty(text, 3),
        )  # fmt: skip
    passes = 3 if training["gradientCheckpointing"] else 2
    return float(counter.get_total_flops()) * passes * training["batchSize"]
