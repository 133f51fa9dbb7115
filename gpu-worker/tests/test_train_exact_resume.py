"""A run that was killed or stopped gives the bytes of one that was not."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import NoEvents
from plein_air.atomic_io import sha256_file
from plein_air.errors import TrainerError
from plein_air.protocol.channel import Channel, Emitter
from plein_air.protocol.control_flags import ControlFlags
from plein_air.training import checkpoint, train

FILES = ("pytorch_lora_weights.safetensors", "optimizer.safetensors", "ema.safetensors", "state.json", "manifest.json")


def hashes(checkpoint: str) -> dict[str, str]:
    return {name: sha256_file(Path(checkpoint) / name) for name in FILES}


def run_here(params: dict[str, Any], stop: threading.Event | None = None, events: Any = None) -> dict[str, Any]:
    return train.run(params, events or NoEvents(), stop or threading.Event())


class StopAfter(NoEvents):
    """Asks to stop when a step's figures arrive."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.stop = threading.Event()
        self._step = step

    def metric(self, step: int, values: dict[str, float]) -> None:
        if step == self._step and "loss" in values:
            self.stop.set()


def test_two_runs_of_one_configuration_give_the_same_bytes(train_params, whole_run):
    again = run_here(train_params)
    assert hashes(again["checkpoint"]) == hashes(whole_run["checkpoint"])
    assert again["adapterSha256"] == sha256_file(Path(again["checkpoint"]) / FILES[0])


def test_another_seed_gives_other_bytes(train_params, whole_run):
    other = run_here({**train_params, "training": {**train_params["training"], "seed": 8}})
    assert other["adapterSha256"] != whole_run["adapterSha256"]


@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_stopping_after_any_step_and_resuming_elsewhere_changes_no_byte(train_params, whole_run, tmp_path, step):
    events = StopAfter(step)
    stopped = run_here(train_params, events.stop, events)
    assert (stopped["outcome"], stopped["step"]) == ("stopped", step)
    # Step 3 is one at which the held-out loss is due: the wish to end does not wait for it, the next attempt measures.
    assert held_out_loss(stopped["checkpoint"]) is None
    resumed = run_here({**train_params, "out": str(tmp_path / "resumed"), "resumeFrom": stopped["checkpoint"]})
    assert (resumed["outcome"], resumed["step"]) == ("done", 6)
    assert hashes(resumed["checkpoint"]) == hashes(whole_run["checkpoint"])


def held_out_loss(checkpoint: str) -> float | None:
    return json.loads((Path(checkpoint) / "manifest.json").read_text())["heldOutLoss"]


def test_a_strip_is_given_up_for_the_end_and_painted_by_the_next_attempt(train_params, tmp_path):
    sampled = {"steps": 4, "scheduleSteps": 4, "heldOutEvery": 1, "sampleEvery": 2, "earlyStopping": 3}
    params = {**train_params, "training": {**train_params["training"], **sampled}}
    whole_events = NoEvents()
    whole = run_here(params, events=whole_events)

    class StopWhenMeasured(StopAfter):
        def metric(self, step: int, values: dict[str, float]) -> None:
            super().metric(step, {"loss": 0} if "heldOutLoss" in values else {})

    events = StopWhenMeasured(2)
    stopped = run_here({**params, "out": str(tmp_path / "stopped")}, events.stop, events)
    assert (stopped["step"], events.samples) == (2, [])
    assert held_out_loss(stopped["checkpoint"]) is not None
    resumed_events = NoEvents()
    again = {**params, "out": str(tmp_path / "resumed"), "resumeFrom": stopped["checkpoint"]}
    resumed = run_here(again, events=resumed_events)
    assert hashes(resumed["checkpoint"]) == hashes(whole["checkpoint"])
    assert [s["sha256"] for s in resumed_events.samples] == [s["sha256"] for s in whole_events.samples]


def test_stopping_in_the_middle_of_an_accumulation_changes_no_byte(train_params, whole_run, tmp_path, monkeypatch):
    from plein_air.training.trainer import Trainer

    stop, micro_step = threading.Event(), Trainer._micro_step

    def stop_at_seven(self: Trainer) -> None:
        micro_step(self)
        if self.state.micro_step == 7:
            stop.set()

    monkeypatch.setattr(Trainer, "_micro_step", stop_at_seven)
    stopped = run_here(train_params, stop)
    assert (stopped["step"], stopped["microStep"]) == (3, 7)
    assert Path(stopped["checkpoint"]).name == "step-00000003-micro-00000007"
    resumed = run_here({**train_params, "out": str(tmp_path / "resumed"), "resumeFrom": stopped["checkpoint"]})
    assert hashes(resumed["checkpoint"]) == hashes(whole_run["checkpoint"])


def train_in_child(params: dict[str, Any], report: int) -> int:
    """Trains in a forked process that reports its events to a pipe; the libraries are loaded already."""
    child = os.fork()
    if child == 0:
        try:
            channel = Channel(report)
            emit = Emitter(channel, "child")
            emit.result(train.run(params, emit, threading.Event()))
            channel.close()
        finally:
            os._exit(0)
    os.close(report)
    return child


def test_a_run_killed_again_and_again_ends_with_the_bytes_of_an_unkilled_one(train_params, whole_run, tmp_path):
    newest, kills = None, 0
    # Killed while the first checkpoint is being written, right behind one, and between two.
    for moment in ("metric", "checkpoint", "metric", "never"):
        params = {**train_params, "out": str(tmp_path / f"attempt-{kills}"), "resumeFrom": newest}
        reader, writer = os.pipe()
        child, seen = train_in_child(params, writer), 0
        with os.fdopen(reader) as events:
            for event in map(json.loads, events):
                if event["event"] == "checkpoint":
                    newest = event["path"]
                seen += event["event"] == moment
                if seen == (3 if moment == "metric" else 1):
                    os.kill(child, signal.SIGKILL)
                    kills += 1
                    break
                if event["event"] == "result":
                    assert kills == 3
                    assert hashes(event["result"]["checkpoint"]) == hashes(whole_run["checkpoint"])
        os.waitpid(child, 0)
    assert kills == 3


def test_measuring_and_saving_more_often_changes_no_byte_of_the_adapter(train_params, whole_run):
    often = {**train_params["training"], "checkpointEvery": 1, "heldOutEvery": 1}
    assert run_here({**train_params, "training": often})["adapterSha256"] == whole_run["adapterSha256"]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_checkpoint_wished_for_at_any_micro_step_changes_no_byte_and_can_be_resumed(
    train_params, whole_run, tmp_path, monkeypatch, seed
):
    from plein_air.training.trainer import Trainer

    chosen = set(random.Random(seed).sample(range(1, 12), 4))
    wishes, micro_step, events = ControlFlags(), Trainer._micro_step, NoEvents()

    def wish_at_some(self: Trainer) -> None:
        micro_step(self)
        if self.state.micro_step in chosen:
            wishes.checkpoint_requested.set()

    monkeypatch.setattr(Trainer, "_micro_step", wish_at_some)
    result = run_here(train_params, wishes, events)
    assert hashes(result["checkpoint"]) == hashes(whole_run["checkpoint"])
    assert chosen <= {c["microStep"] for c in events.checkpoints}
    assert any("checkpointStallSeconds" in values for _, values in events.metrics)
    for at in sorted(chosen)[::3]:
        (path,) = {c["path"] for c in events.checkpoints if c["microStep"] == at}
        params = {**train_params, "out": str(tmp_path / f"from-{at}"), "resumeFrom": path}
        assert hashes(run_here(params, wishes)["checkpoint"]) == hashes(whole_run["checkpoint"])


def test_a_checkpoint_is_taken_while_the_held_out_loss_is_measured_and_changes_no_byte(
    train_params, whole_run, tmp_path
):
    wishes = ControlFlags()

    class WishAtStepThree(NoEvents):
        def metric(self, step: int, values: dict[str, float]) -> None:
            super().metric(step, values)
            if step == 3 and "loss" in values:
                wishes.checkpoint_requested.set()

    events = WishAtStepThree()
    result = run_here(train_params, wishes, events)
    assert hashes(result["checkpoint"]) == hashes(whole_run["checkpoint"])
    at_three = [next(iter(values)) for step, values in events.metrics if step == 3]
    assert at_three == ["loss", "checkpointStallSeconds", "heldOutLoss"]
    (path,) = {c["path"] for c in events.checkpoints if c["step"] == 3}
    resumed = run_here({**train_params, "out": str(tmp_path / "resumed"), "resumeFrom": path})
    assert hashes(resumed["checkpoint"]) == hashes(whole_run["checkpoint"])


def test_a_full_disk_costs_the_older_local_copies_first(tmp_path, monkeypatch):
    for name in ("step-00000001", "step-00000002"):
        checkpoint.write_checkpoint(str(tmp_path), name, {"weights": b"w"}, {"step": 1})
    room, write = [0], checkpoint.write_synced

    def write_if_room(path: Path, data: bytes) -> None:
        if len(list(tmp_path.glob("step-*"))) > room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    monkeypatch.setattr(checkpoint, "write_synced", write_if_room)
    room[0] = 1
    checkpoint.write_checkpoint(str(tmp_path), "step-00000003", {"weights": b"w"}, {"step": 3})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]
    room[0] = -1
    with pytest.raises(TrainerError, match="full disk"):
        checkpoint.write_checkpoint(str(tmp_path), "step-00000004", {"weights": b"w"}, {"step": 4})
    assert not list(tmp_path.glob(".tmp-*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system of so many bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size: int) -> Path:
        options = ["-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
        done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


def size_of(checkpoint: str | Path) -> int:
    return sum(file.stat().st_size for file in Path(checkpoint).iterdir())


def test_a_disk_with_room_for_two_checkpoints_is_enough(train_params, whole_run, small_disk):
    disk = small_disk(int(2.5 * size_of(whole_run["checkpoint"])))
    result = run_here({**train_params, "out": str(disk)})
    assert hashes(result["checkpoint"]) == hashes(whole_run["checkpoint"])
    assert len(list(disk.glob("step-*"))) == 2


def test_a_disk_that_is_full_for_good_ends_the_run_with_the_last_checkpoint_whole(train_params, whole_run, small_disk):
    size = size_of(whole_run["checkpoint"])
    disk = small_disk(3 * size)
    first = run_here({**train_params, "out": str(disk), "stopAtStep": 2})
    other = disk / "something else"
    # Less room than a checkpoint needs, even without the one that is there.
    other.write_bytes(bytes(shutil.disk_usage(disk).free - size // 20))
    before = hashes(first["checkpoint"])
    wanted = {**train_params["training"], "rank": 8, "checkpointEvery": 4}
    with pytest.raises(TrainerError, match=r"room for a checkpoint of \d+ bytes .* besides step-00000002, which stays"):
        run_here({**train_params, "out": str(disk), "training": wanted})
    assert hashes(first["checkpoint"]) == before
    assert sorted(path.name for path in disk.iterdir()) == ["something else", "step-00000002"]
    other.unlink()
    resumed = run_here({**train_params, "out": str(disk), "resumeFrom": first["checkpoint"]})
    assert hashes(resumed["checkpoint"]) == hashes(whole_run["checkpoint"])


def test_a_run_stopped_by_its_fidelity_goes_on_to_the_same_bytes(train_params, whole_run, tmp_path):
    trial = run_here({**train_params, "stopAtStep": 2})
    assert (trial["outcome"], trial["step"]) == ("stopped", 2)
    assert trial["heldOutLoss"] is not None
    resumed = run_here({**train_params, "out": str(tmp_path / "more"), "resumeFrom": trial["checkpoint"]})
    assert hashes(resumed["checkpoint"]) == hashes(whole_run["checkpoint"])


def test_a_leftover_of_a_killed_write_is_removed_and_never_read(train_params, tmp_path):
    leftover = Path(train_params["out"]) / ".tmp-0123456789ab"
    leftover.mkdir(parents=True)
    (leftover / "state.json").write_text("{")
    run_here({**train_params, "stopAtStep": 1})
    assert sorted(path.name for path in Path(train_params["out"]).iterdir()) == ["step-00000001"]


def test_the_manifest_follows_the_contract(whole_run):
    manifest = json.loads((Path(whole_run["checkpoint"]) / "manifest.json").read_text())
    assert set(manifest) == {
        "format", "step", "microStep", "fingerprint", "heldOutLoss", "files", "acceptedDifferences",
    }  # fmt: skip
    assert (manifest["format"], manifest["step"], manifest["microStep"]) == (1, 6, 12)
    assert manifest["heldOutLoss"] == whole_run["heldOutLoss"]
    assert [f["path"] for f in manifest["files"]] == sorted(set(FILES) - {"manifest.json"})
