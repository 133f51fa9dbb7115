"""The training loop: micro-steps from any boundary to any boundary."""

from __future__ import annotations

import hashlib
import math
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

from plein_air.dataset.choices import choice_of
from plein_air.dataset.needs import MAX_LEARNT, buckets_of, needs_of
from plein_air.dataset.order import Order
from plein_air.encoding.store import Store
from plein_air.families.family import Base
from plein_air.protocol.channel import Emitter
from plein_air.protocol.control_flags import ControlFlags
from plein_air.ranks import Ranks
from plein_air.training import health
from plein_air.training.adapter import Adapter
from plein_air.training.checkpoint import clear_unfinished
from plein_air.training.early_stopping import should_stop
from plein_air.training.fingerprint import fingerprint
from plein_air.training.held_out import HeldOut
from plein_air.training.objective import Objective
from plein_air.training.optimizations import uncompiled
from plein_air.training.optimizer import Optimizer
from plein_air.training.resume import restore
from plein_air.training.samples import Samples
from plein_air.training.schedule import SigmaShift, learning_rate
from plein_air.training.settings import TrainParams
from plein_air.training.state import FP16_SCALE, State
from plein_air.training.step_rng import noise_of, sigma_of
from plein_air.training.validation_images import ValidationImages
from plein_air.training.writer import CheckpointWriter, Snapshot, copied

if TYPE_CHECKING:
    import threading


class _EndRequested(Exception):
    """Somebody waits for the training to end while it measures or paints."""


class Trainer:
    """One `train` request: its tensors, its state, and the steps between them."""

    def __init__(
        self, request: TrainParams, base: Base, adapter: Adapter, emit: Emitter, ranks: Ranks | None = None
    ) -> None:
        """Binds samples, objective and optimizer; resumes if the request says from where."""
        self._request = request
        self._settings = request.training
        self._adapter = adapter
        self._emit = emit
        self._ranks = ranks or Ranks()
        self._device = base.device
        cache = Store(request.cache)
        self._shift = SigmaShift.from_scheduler(base.scheduler_config())
        self._samples = Samples(request.dataset, "train", cache, base)
        self._order = Order(buckets_of(self._samples.pictures.values()), self._settings.batch_size, self._settings.seed)
        self._objective = Objective(base.velocity(self._settings.guidance))
        held_out = Samples(request.dataset, "held_out", cache, base)
        self._draws = self._settings.draws(request.last_step())
        needs = needs_of(self._draws, list(self._samples.pictures.values()), list(held_out.pictures.values()))
        for split in (self._samples, held_out):
            split.check(needs)
        self._held_out = HeldOut(held_out, self._objective, self._shift, self._settings.batch_size)
        self._learnt = HeldOut(self._samples, self._objective, self._shift, self._settings.batch_size, MAX_LEARNT)
        self._validation_images = ValidationImages(base, request.sampling, self._samples, held_out, request.out)
        self._optimizer = Optimizer(adapter.parameters, self._settings)
        self._average = {n: p.detach().clone() for n, p in adapter.parameters.items()} if self._settings.ema > 0 else {}
        self.state = State(loss_scale=FP16_SCALE if self._settings.precision == "fp16" else 1.0)
        self._fingerprint = fingerprint(request, base)
        self._ranks.check_alike(self._fingerprint)
        if self._ranks.leads:
            clear_unfinished(request.out)
        if request.resume_from is not None:
            self.state = restore(request, self._fingerprint, adapter, self._optimizer, self._average)
        self._writer = CheckpointWriter(request.out, adapter, self._fingerprint, self._settings.accumulation, emit)
        self._saved_at = -1
        self._stop: threading.Event | None = None
        self._clock = time.monotonic()

    def run(self, stop: threading.Event) -> dict[str, Any]:
        """Trains until the last step or until asked to stop, and ends with a checkpoint either way."""
        last = self._request.last_step()
        state = self.state
        self._stop = stop
        self._emit.progress("train", state.step, last)
        try:
            if self._held_out_due(last) or self._validation_images_due():
                self._after_step(last)
            while self._ranks.from_leader(state.step < last and not stop.is_set() and not state.stopped_early):
                self._micro_step()
                if len(state.open_losses) == self._settings.accumulation:
                    self._finish_step()
                    self._after_step(last)
                self._emit.progress("train", state.step, last)
                self._save_if_requested()
            if state.step >= last and state.held_out_here() is None:
                self._measure()
            self._checkpoint()
            written, adapter = self._writer.finish() or (None, b"")
            assert written is not None, "a checkpoint was just started"
        finally:
            self._writer.close()
        return {
            "outcome": self._outcome(),
            "step": state.step,
            "microStep": state.micro_step,
            "checkpoint": str(written.path),
            "adapterSha256": hashlib.sha256(adapter).hexdigest(),
            "heldOutLoss": state.held_out_loss,
            "trainLoss": state.train_loss,
            "acceptedDifferences": state.accepted_differences,
        }

    def follow(self) -> None:
        """What a process does that does not lead: the same steps, until the leader says that it was enough."""
        while self._ranks.from_leader():
            self._micro_step()
            if len(self.state.open_losses) == self._settings.accumulation:
                self._finish_step()

    def _outcome(self) -> str:
        if self.state.step >= self._settings.steps:
            return "done"
        return "early" if self.state.stopped_early else "stopped"

    def _micro_step(self) -> None:
        """The next micro-step; with several processes the next of each, as far as the step has so many left."""
        state, ranks = self.state, self._ranks
        count = min(ranks.count, self._settings.accumulation - len(state.open_losses))
        if ranks.count == 1:
            losses = [self._backward(state.micro_step)]
        else:
            parameters = list(self._adapter.parameters.values())
            before = [p.grad for p in parameters if p.grad is not None]
            for parameter in parameters:
                parameter.grad = None
            losses = ranks.attempt(
                lambda: self._backward(state.micro_step + ranks.rank) if ranks.rank < count else 0.0
            )[:count]
            ranks.add_gradients(parameters, before, count)
        for loss in losses:
            health.check_loss(state.step, loss)
        state.micro_step += count
        state.open_losses = [*state.open_losses, *losses]

    def _backward(self, micro_step: int) -> float:
        """Forward and backward of one batch; everything random in it is a function of seed, micro-step and sample."""
        settings = self._settings
        bucket, ids = self._order.batch(micro_step)
        tokens = self._samples.tokens(bucket)
        batch = self._samples.batch([choice_of(self._draws, micro_step, *slot) for slot in enumerate(ids)])
        sigmas = [sigma_of(settings, micro_step, *slot, self._shift, tokens) for slot in enumerate(ids)]
        noise = noise_of(settings, micro_step, ids, (tokens, batch.latents.shape[2]))
        loss = self._objective.losses(batch, sigmas, noise.to(self._device)).mean()
        value = float(loss.detach())
        if math.isfinite(value):
            (loss * (self.state.loss_scale / settings.accumulation)).backward()
        return value

    def _finish_step(self) -> None:
        """Clips, updates, averages and reports."""
        import torch

        state, settings = self.state, self._settings
        rate = learning_rate(
            state.step,
            peak=settings.learning_rate,
            schedule=settings.schedule,
            warmup_steps=settings.warmup_steps,
            schedule_steps=settings.schedule_steps,
        )
        norm = self._optimizer.clip(settings.gradient_clip, state.loss_scale)
        if state.loss_scale > 1 and norm is None:
            state.overflowed()
            for parameter in self._adapter.parameters.values():
                parameter.grad = None
        else:
            found = float("nan") if norm is None else norm
            health.check_gradient(state.step, found, state.gradient_norms)
            state.gradient_norms = health.remember(found, state.gradient_norms)
            self._optimizer.step(rate)
            state.updates += 1
            if settings.precision == "fp16":
                state.fitted()
            if self._average:
                parameters = [self._adapter.parameters[name].detach() for name in self._average]
                decay = min(settings.ema, (1 + state.updates) / (10 + state.updates))
                torch._foreach_lerp_(list(self._average.values()), parameters, 1 - decay)
        state.train_loss = sum(state.open_losses) / len(state.open_losses)
        state.open_losses = []
        state.step += 1
        health.check_alive(state.step, state.step == health.DEAD_AFTER and self._adapter.is_dead())
        self._report(rate, norm)

    def _after_step(self, last: int) -> None:
        """Measures, paints and saves where that is due; a wish to end comes first, and the next attempt makes up for it."""
        state = self.state
        try:
            if self._held_out_due(last):
                self._measure()
            if self._validation_images_due():
                self._validate()
        except _EndRequested:
            return
        if state.step > 0 and state.step % self._settings.checkpoint_every == 0 and state.step < last:
            self._checkpoint()

    def _held_out_due(self, last: int) -> bool:
        """Whether the held-out loss belongs to the step just done, and is not there yet."""
        state = self.state
        due = state.step % self._settings.held_out_every == 0 or state.step == last
        return due and not state.open_losses and state.held_out_step != state.step

    def _validation_images_due(self) -> bool:
        """Whether a strip belongs to the step just done, and is not there yet."""
        state, every = self.state, self._settings.sample_every
        due = every > 0 and state.step > 0 and state.step % every == 0
        return due and not state.open_losses and state.validation_step != state.step

    def _report(self, rate: float, norm: float | None) -> None:
        import torch

        now = time.monotonic()
        images = self._settings.batch_size * self._settings.accumulation
        values = {
            "loss": self.state.train_loss or 0.0,
            "learningRate": self._optimizer.effective_rate(rate),
            "imagesPerSecond": images / max(now - self._clock, 1e-9),
        }
        if norm is not None:
            values["gradientNorm"] = norm
        if self._device.type == "cuda":
            values["vramBytes"] = torch.cuda.max_memory_allocated(self._device)
        self._clock = now
        self._emit.metric(self.state.step, values)

    def _measure(self) -> None:
        """Held-out loss of the adapter as it is now."""
        began = time.monotonic()
        with uncompiled(self._settings):
            loss = self._held_out.measure(self._alive)
            health.check_loss(self.state.step, loss)
            error = self._held_out.error
            learnt = self._learnt.measure(self._alive)
        self.state.held_out_loss, self.state.held_out_step = loss, self.state.step
        self._emit.metric(
            self.state.step,
            {"heldOutLoss": loss, "learntLoss": learnt, "generalisationGap": loss - learnt}
            | {"heldOutSeconds": time.monotonic() - began}
            | ({} if error is None else {"heldOutError": error})
            | {f"heldOutLoss.{place:02d}": one for place, one in enumerate(self._held_out.losses)},
        )
        self._clock = time.monotonic()

    def _alive(self) -> None:
        """Says that what takes long continues; before the last step it saves, and gives up, where that is requested."""
        step, last = self.state.step, self._request.last_step()
        self._emit.progress("train", step, last)
        if step < last:
            self._save_if_requested()
            if self._stop is not None and self._stop.is_set():
                raise _EndRequested

    def _validate(self) -> None:
        """Validation images, and whether the training has gone on for too long; a failure of them ends no training."""
        state, patience = self.state, self._settings.early_stopping
        interruptions: list[Exception] = []

        def alive() -> None:
            try:
                self._alive()
            except Exception as error:
                interruptions.append(error)
                raise

        try:
            began = time.monotonic()
            with uncompiled(self._settings):
                path, sha256 = self._validation_images.generate(state.step, alive)
            self._emit.metric(state.step, {"validationSeconds": time.monotonic() - began})
            self._emit.sample(step=state.step, path=str(path), sha256=sha256)
            if patience > 0:
                copying = self._validation_images.copying()
                self._emit.metric(state.step, {"copying": copying})
                state.measurements = [*state.measurements, [float(state.step), state.held_out_loss or 0.0, copying]]
                state.stopped_early = should_stop(state.measurements, patience)
        except Exception as error:
            if interruptions:
                raise
            traceback.print_exc()
            sys.stderr.write(
                f"validation images of step {state.step} failed ({type(error).__name__}: {error}); training continues, "
                "training.sampleEvery=0 switches them off\n"
            )
            self._emit.metric(state.step, {"validationImagesFailed": 1})
        state.validation_step = state.step
        self._clock = time.monotonic()

    def _save_if_requested(self) -> None:
        if isinstance(self._stop, ControlFlags) and self._stop.checkpoint_requested.is_set():
            self._stop.checkpoint_requested.clear()
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Starts to write the present micro-step boundary, unless it is being written; tells how long training stood still."""
        if self._saved_at == self.state.micro_step:
            return
        self._saved_at = self.state.micro_step
        began = time.monotonic()
        gradients = {n: p.grad for n, p in self._adapter.parameters.items() if p.grad is not None}
        self.state.optimizer = self._optimizer.scalars()
        self._writer.start(
            Snapshot(
                state=self.state,
                adapter=copied(dict(self._adapter.parameters)),
                moments=copied(self._optimizer.tensors()),
                average=copied(self._average),
                gradients=copied(gradients),
            )
        )
        self._emit.metric(self.state.step, {"checkpointStallSeconds": time.monotonic() - began})
