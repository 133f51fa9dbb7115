"""What decides the trained bytes, and what differs when two runs are not the same."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version

from plein_air.errors import TrainerError
from plein_air.families.family import Base
from plein_air.probe import software_versions
from plein_air.protocol.decode import camel
from plein_air.training.settings import Training, TrainParams

Fingerprint = dict[str, str | int | float | bool | None]
_NOT_DECISIVE = {"steps", "checkpoint_every", "held_out_every", "sample_every", "early_stopping"}
"""Settings that may change between attempts: where to stop, when to save, when to measure."""


def fingerprint(params: TrainParams, base: Base) -> Fingerprint:
    """Fields that decide the trained bytes: configuration, data, base, software and machine kind."""
    import torch

    device = base.device
    fields: Fingerprint = {
        f"training.{camel(name)}": value for name, value in asdict(params.training).items() if name not in _NOT_DECISIVE
    }
    fields |= {"dataset.commit": params.dataset_commit, "base.commit": params.base_commit, "base.family": base.family}
    fields |= {f"software.{name}": version for name, version in software_versions().items()}
    fields |= {f"software.{name}": version(name) for name in used_libraries(params.training)}
    fields |= {
        "device.kind": device.type,
        "device.name": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "device.cpuCapability": host_capability(device.type, torch.backends.cpu.get_cpu_capability()),
        "device.threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        fields |= {"software.cuda": torch.version.cuda, "software.cudnn": torch.backends.cudnn.version()}
    return dict(sorted(fields.items()))


def used_libraries(training: Training) -> list[str]:
    """Libraries that take part in computing these settings' bytes, besides those that every run uses."""
    nf4 = training.quantization == "nf4"
    return [
        *(["bitsandbytes"] if nf4 or training.optimizer == "adamw-8bit" else []),
        *(["torchao"] if training.quantization in ("int8", "fp8") else []),
        *(["prodigyopt"] if training.optimizer == "prodigy" else []),
    ]


def host_capability(kind: str, capability: str) -> str:
    """The host's vector instructions as far as they decide bytes.

    Beside a GPU the host draws noise and the LoRA's first values and computes nothing else: AVX2 and all that came after it
    draw the same bytes, so that a session may continue on another kind of host.
    """
    return "AVX2 or newer" if kind == "cuda" and capability.startswith("AVX") else capability


def check_same(saved: Fingerprint, now: Fingerprint, accepted: tuple[str, ...]) -> list[str]:
    """Refuses to resume where a field differs that was not accepted; returns the accepted ones that do differ."""
    differing = [name for name in sorted(saved.keys() | now.keys()) if saved.get(name) != now.get(name)]
    differences = {
        name: {"checkpoint": saved.get(name), "now": now.get(name)} for name in differing if name not in accepted
    }
    if differences:
        listed = "; ".join(f"{name}: {d['checkpoint']!r} -> {d['now']!r}" for name, d in differences.items())
        raise TrainerError(
            "InvalidInput",
            f"Expected the checkpoint to come from the same run and kind of machine, got {listed}. Continuing would not "
            "give the bytes of an uninterrupted run: use the same settings, start anew, or accept these differences.",
            {"field": "acceptDifferences", "differences": differences},
        )
    return differing
