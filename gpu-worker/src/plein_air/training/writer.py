"""Writes checkpoints beside the training: hashing and fsync are off the step's path."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from plein_air.protocol.channel import Emitter
from plein_air.tensor_file import pack_tensors
from plein_air.training.adapter import FILE, Adapter
from plein_air.training.checkpoint import Written, folder_name, write_checkpoint
from plein_air.training.fingerprint import Fingerprint
from plein_air.training.state import State, pack_state

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint holds, copied at one micro-step boundary."""

    state: State
    adapter: Tensors
    moments: Tensors
    average: Tensors
    gradients: Tensors


def copied(tensors: Tensors) -> Tensors:
    """Copies on the CPU that later steps do not change."""
    import torch

    return {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }


class CheckpointWriter:
    """One checkpoint at a time in a thread; the next one waits for it, and so does the end."""

    def __init__(self, out: str, adapter: Adapter, fingerprint: Fingerprint, accumulation: int, emit: Emitter) -> None:
        """Binds everything that is the same for every checkpoint of a request."""
        self._out = out
        self._adapter = adapter
        self._fingerprint = fingerprint
        self._accumulation = accumulation
        self._emit = emit
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._running: Future[tuple[Written, bytes]] | None = None

    def start(self, snapshot: Snapshot) -> None:
        """Begins to write; waits for the one before it, whose failure is raised here."""
        self.finish()
        frozen = replace(snapshot, state=replace(snapshot.state))
        self._running = self._pool.submit(self._write, frozen)

    def finish(self) -> tuple[Written, bytes] | None:
        """Waits for the checkpoint being written, if any: its folder and the adapter's bytes."""
        running, self._running = self._running, None
        return running.result() if running else None

    def close(self) -> None:
        """Ends the thread once it has finished."""
        self._pool.shutdown(wait=True)

    def _write(self, snapshot: Snapshot) -> tuple[Written, bytes]:
        state = snapshot.state
        adapter = self._adapter.pack(snapshot.adapter)
        files = {
            FILE: adapter,
            "optimizer.safetensors": pack_tensors(snapshot.moments),
            "state.json": pack_state(state, self._fingerprint),
        }
        if snapshot.average:
            files["ema.safetensors"] = self._adapter.pack(snapshot.average)
        if snapshot.gradients:
            files["gradients.safetensors"] = pack_tensors(snapshot.gradients)
        held_out = state.held_out_here()
        manifest = {
            "step": state.step,
            "microStep": state.micro_step,
            "fingerprint": self._fingerprint,
            "heldOutLoss": held_out,
            "acceptedDifferences": state.accepted_differences,
        }
        written = write_checkpoint(
            self._out, folder_name(state.step, state.micro_step, self._accumulation), files, manifest
        )
        self._emit.checkpoint(
            step=state.step,
            microStep=state.micro_step,
            path=str(written.path),
            manifestSha256=written.manifest_sha256,
            bytes=written.bytes,
            heldOutLoss=held_out,
        )
        return written, adapter
