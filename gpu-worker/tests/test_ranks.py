"""Several processes train to the bytes of one."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import NoEvents
from plein_air.errors import TrainerError
from plein_air.ranks import Ranks
from plein_air.training import train
from plein_air.training.trainer import Trainer
from process import TrainerProcess
from test_train_exact_resume import StopAfter, hashes, run_here


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def together(work: Callable[[Ranks], Any], count: int = 2) -> list[Any]:
    """What `work` gives in each of several forked processes; the libraries are loaded already."""
    port = free_port()
    readers = []
    for rank in range(count):
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank)}
                os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
                try:
                    said = work(Ranks())
                except TrainerError as error:
                    said = {"kind": error.kind, "message": str(error)}
                os.write(writer, json.dumps(said).encode())
            finally:
                os._exit(0)
        os.close(writer)
        readers.append(reader)
    said = [b"".join(iter(lambda r=reader: os.read(r, 65536), b"")) for reader in readers]
    for reader in readers:
        os.close(reader)
    for _ in readers:
        os.wait()
    return [json.loads(text) if text else None for text in said]


def train_together(params: dict[str, Any], stop_after: int = 0, count: int = 2) -> Any:
    """Result of the leader."""

    def work(ranks: Ranks) -> Any:
        events = StopAfter(stop_after)
        return train.train_along(params, events, events.stop, ranks)  # pyright: ignore[reportArgumentType]

    return together(work, count)[0]


@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_train_to_the_bytes_of_one(train_params, whole_run, count):
    # Two micro-steps a step: a third process finds nothing to do, and holds nothing up.
    assert hashes(train_together(train_params, count=count)["checkpoint"]) == hashes(whole_run["checkpoint"])


def test_a_step_that_does_not_divide_evenly_and_a_loss_scale_change_no_byte(train_params, tmp_path):
    training = {**train_params["training"], "accumulation": 3, "precision": "fp16", "steps": 3, "scheduleSteps": 3}
    params = {**train_params, "training": training}
    alone = run_here(params)
    assert hashes(train_together({**params, "out": str(tmp_path / "two")})["checkpoint"]) == hashes(alone["checkpoint"])


def test_two_go_on_where_one_stopped_in_mid_accumulation_and_one_where_two_stopped(
    train_params, whole_run, tmp_path, monkeypatch
):
    stop, plain = threading.Event(), Trainer._micro_step

    def stop_at_three(self: Trainer) -> None:
        plain(self)
        if self.state.micro_step == 3:
            stop.set()

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_micro_step", stop_at_three)
        first = run_here(train_params, stop)
    assert first["microStep"] == 3
    second = train_together({**train_params, "out": str(tmp_path / "two"), "resumeFrom": first["checkpoint"]}, 4)
    assert (second["outcome"], second["step"]) == ("stopped", 4)
    third = run_here({**train_params, "out": str(tmp_path / "one"), "resumeFrom": second["checkpoint"]})
    assert hashes(third["checkpoint"]) == hashes(whole_run["checkpoint"])


def test_what_fails_in_one_process_fails_in_all_with_its_own_kind(train_params):
    def work(ranks: Ranks) -> Any:
        def fail(self: Trainer, micro_step: int) -> float:
            raise MemoryError("no more")

        if ranks.rank == 1:
            Trainer._backward = fail  # pyright: ignore[reportAttributeAccessIssue]
        return train.train_along(train_params, NoEvents(), threading.Event(), ranks)  # pyright: ignore[reportArgumentType]

    assert [said["kind"] for said in together(work)] == ["OutOfMemory", "OutOfMemory"]


def test_processes_on_machines_of_two_kinds_are_refused(train_params):
    def work(ranks: Ranks) -> Any:
        ranks.check_alike({"device.name": f"GPU {ranks.rank}", "training.seed": 1})

    assert together(work)[0] == {
        "kind": "InvalidInput",
        "message": "Expected every process of a training to be alike, got another rank 1: device.name: 'GPU 0' -> 'GPU 1'. "
        "Train on GPUs of one kind, or on one.",
    }


def test_more_processes_than_gpus_are_refused_with_both_numbers(monkeypatch):
    import torch

    from plein_air import devices

    monkeypatch.setattr(devices, "_prepared", [])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainerError, match=r"each of 2 processes, got 1: set PLEIN_AIR_TRAINER_PROCESSES"):
        devices.prepare_torch()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_accelerate_launches_two_that_train_as_one_and_end_together_when_one_is_killed(
    train_params, whole_run, monkeypatch
):
    monkeypatch.setenv("PLEIN_AIR_TRAINER_PROCESSES", "2")
    with TrainerProcess() as trainer:
        assert trainer.call("probe", {})["result"]["processes"] == 2
        answer = trainer.call("train", train_params)
        assert answer["event"] == "result", answer
        assert hashes(answer["result"]["checkpoint"]) == hashes(whole_run["checkpoint"])
        ranks = children(trainer.process.pid)
        follower = next(pid for pid in ranks if pid != trainer.ready["pid"])
        started = threading.Event()

        def kill_follower(event: dict[str, Any]) -> None:
            if event["event"] == "metric" and not started.is_set():
                started.set()
                os.kill(follower, signal.SIGKILL)

        endless = {**train_params["training"], "steps": 10**5, "heldOutEvery": 10**5, "checkpointEvery": 10**5}
        with pytest.raises(EOFError):
            trainer.call("train", {**train_params, "training": endless}, kill_follower)
        assert started.is_set()
        assert trainer.process.wait(60) != 0
    assert not any(Path(f"/proc/{pid}/cmdline").exists() for pid in ranks)
