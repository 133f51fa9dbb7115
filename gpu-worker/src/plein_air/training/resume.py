"""Takes up a verified checkpoint of the same run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from plein_air.tensor_file import read_tensors
from plein_air.training.adapter import FILE, Adapter, copy_named
from plein_air.training.checkpoint import read_manifest
from plein_air.training.fingerprint import Fingerprint, check_same
from plein_air.training.optimizer import Optimizer
from plein_air.training.settings import TrainParams
from plein_air.training.state import State, unpack_state

if TYPE_CHECKING:
    import torch


def restore(
    request: TrainParams,
    fingerprint: Fingerprint,
    adapter: Adapter,
    optimizer: Optimizer,
    average: dict[str, torch.Tensor],
) -> State:
    """Copies every tensor of the request's checkpoint into place, gradients too, and returns its state."""
    import torch

    assert request.resume_from is not None, "there is something to resume from"
    folder = Path(request.resume_from)
    manifest = read_manifest(folder)
    state, saved = unpack_state((folder / "state.json").read_bytes())
    accepted = check_same(saved, fingerprint, request.accept_differences)
    state.accepted_differences = sorted({*state.accepted_differences, *accepted})
    adapter.load(read_tensors(folder / FILE))
    optimizer.load(read_tensors(folder / "optimizer.safetensors"), state.optimizer, state.updates)
    present = {file["path"] for file in manifest["files"]}
    if average and "ema.safetensors" in present:
        copy_named(read_tensors(folder / "ema.safetensors"), average, "average")
    if "gradients.safetensors" in present:
        gradients = {name: torch.zeros_like(parameter) for name, parameter in adapter.parameters.items()}
        copy_named(read_tensors(folder / "gradients.safetensors"), gradients, "gradients")
        for name, parameter in adapter.parameters.items():
            parameter.grad = gradients[name]
    return state
