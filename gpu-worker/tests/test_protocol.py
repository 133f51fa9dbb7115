"""The trainer as a process: what it says, when, and what it does when its worker goes away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from conftest import TRAINING, NoEvents
from plein_air.errors import Stopped, TrainerError, classify
from plein_air.protocol.channel import Channel, Emitter
from plein_air.protocol.decode import decode
from plein_air.protocol.schema import check, check_params, load_schema
from plein_air.server import VERBS, Inbox
from plein_air.training.settings import Training
from process import SOURCES, TrainerProcess

SUGGEST = {"strategy": "fixed", "space": {}, "defaults": {"rank": 8}, "trials": [], "seed": 0}


def lines_of(action: Any) -> list[dict[str, Any]]:
    """What an action sent through a channel, line by line."""
    reader, writer = os.pipe()
    channel = Channel(writer)
    action(channel)
    channel.close()
    os.close(writer)
    with os.fdopen(reader) as file:
        return [json.loads(line) for line in file]


def check_event(event: dict[str, Any]) -> None:
    assert check(load_schema()["event"], event) == []


def test_the_first_line_is_ready_and_comes_before_torch_is_imported():
    with TrainerProcess() as trainer:
        check_event(trainer.ready)
        assert trainer.ready == {"event": "ready", "protocol": 1, "pid": trainer.process.pid}
        with open(f"/proc/{trainer.process.pid}/maps", encoding="utf-8") as maps:
            assert "libtorch" not in maps.read()


def test_lines_that_are_no_request_are_answered_and_do_not_end_the_process():
    with TrainerProcess() as trainer:
        for line in ("garbage", "[]", '{"id": 1, "verb": "probe"}', '{"id": "a", "verb": "paint"}'):
            trainer.send_line(line)
            event = trainer.read()
            check_event(event)
            assert (event["event"], event["kind"]) == ("error", "InvalidInput")
        trainer.send("shutdown")
        assert trainer.process.wait(10) == 0


def test_every_offending_parameter_is_named_at_once():
    wrong = {**SUGGEST, "strategy": 7, "seed": "x", "extra": 1}
    with pytest.raises(TrainerError) as caught:
        check_params("suggest", wrong)
    assert caught.value.kind == "InvalidInput"
    assert {"strategy", "seed", "(params)"} == {p["field"] for p in caught.value.details["problems"]}
    assert "extra" in str(caught.value)


def test_the_schema_describes_every_verb_that_the_loop_serves():
    assert set(load_schema()["params"]) == set(VERBS) == set(load_schema()["results"])


def test_a_request_after_shutdown_is_refused_and_those_before_it_are_served():
    def act(channel: Channel) -> None:
        inbox = Inbox(channel)
        for line in (
            '{"id":"1","verb":"probe","params":{}}',
            '{"id":"2","verb":"shutdown"}',
            '{"id":"3","verb":"probe"}',
        ):
            inbox.accept(line)
        first = inbox.next()
        assert first is not None
        assert first.id == "1"
        assert inbox.next() is None

    (event,) = lines_of(act)
    assert (event["id"], event["kind"]) == ("3", "InvalidInput")


def test_stop_reaches_requests_that_wait_as_well_as_the_one_that_runs():
    def act(channel: Channel) -> None:
        inbox = Inbox(channel)
        inbox.accept('{"id":"1","verb":"train","params":{}}')
        inbox.accept('{"id":"2","verb":"stop"}')
        inbox.accept('{"id":"3","verb":"train","params":{}}')
        one, three = inbox.next(), inbox.next()
        assert one is not None
        assert three is not None
        assert (one.stop.is_set(), three.stop.is_set()) == (True, False)

    assert lines_of(act) == []


def test_the_end_of_stdin_is_a_shutdown_while_the_parent_lives():
    with TrainerProcess() as trainer:
        assert trainer.process.stdin is not None
        trainer.process.stdin.close()
        assert trainer.process.wait(10) == 0


def test_sigterm_ends_an_idle_trainer_with_success():
    with TrainerProcess() as trainer:
        trainer.process.send_signal(signal.SIGTERM)
        assert trainer.process.wait(10) == 0


def test_the_trainer_ends_when_its_parent_is_killed():
    """A process in between starts the trainer, says its pid and is killed; the trainer's stdout then ends."""
    script = (
        "import subprocess, sys\n"
        "trainer = subprocess.Popen([sys.executable, '-m', 'plein_air'], stdin=subprocess.PIPE)\n"
        "trainer.wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    assert parent.stdout is not None
    ready = json.loads(parent.stdout.readline())
    parent.kill()
    assert parent.stdout.read() == b""  # the pipe closes only when the trainer, too, is gone
    parent.wait()
    parent.stdout.close()
    assert ready["event"] == "ready"


def test_train_in_a_process_reports_by_the_contract_stops_on_sigterm_and_prints_nothing_else(train_params):
    params = {**train_params, "training": {**TRAINING, "steps": 500, "scheduleSteps": 500, "checkpointEvery": 2}}
    seen: list[dict[str, Any]] = []
    with TrainerProcess() as trainer:
        request = trainer.send("train", params=params)
        while (event := trainer.read())["event"] not in ("result", "error"):
            check_event(event)
            seen.append(event)
            if event["event"] == "checkpoint" and event["step"] == 2:
                trainer.process.send_signal(signal.SIGTERM)
        assert (event["event"], event["id"]) == ("result", request), event
        assert check(load_schema()["results"]["train"], event["result"]) == []
        assert event["result"]["outcome"] == "stopped"
        assert trainer.process.wait(10) == 0
    steps = [e["step"] for e in seen if e["event"] == "metric" and "loss" in e["values"]]
    assert steps == list(range(1, event["result"]["step"] + 1))
    reported = {name for e in seen if e["event"] == "metric" for name in e["values"]}
    assert {"loss", "learningRate", "gradientNorm", "imagesPerSecond"} <= reported
    assert [e["step"] for e in seen if e["event"] == "metric" and "heldOutLoss" in e["values"]][:1] == [0]


def test_prints_of_libraries_and_of_c_go_to_stderr():
    script = (
        "import os, json\n"
        "from plein_air.protocol.channel import Channel, take_stdout\n"
        "channel = Channel(take_stdout())\n"
        "print('from python', flush=True); os.write(1, b'from c\\n'); os.system('echo from a child')\n"
        "channel.send({'event': 'ready'}); channel.close()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment, text=True, check=True)
    assert done.stdout == '{"event":"ready"}\n'
    assert set(done.stderr.split("\n")) >= {"from python", "from c", "from a child"}


def test_a_reader_that_does_not_read_never_holds_the_trainer_up():
    reader, writer = os.pipe()
    channel = Channel(writer)
    emit = Emitter(channel, "1")
    for step in range(20_000):  # many times what a pipe holds
        emit.metric(step, {"loss": 0.5})
    with os.fdopen(reader) as file:
        threading.Thread(target=channel.close, args=(30.0,)).start()
        assert json.loads([file.readline() for _ in range(20_000)][-1])["step"] == 19_999
    os.close(writer)


def test_progress_is_throttled_but_always_sends_the_first_and_the_last():
    def act(channel: Channel) -> None:
        emit = Emitter(channel, "1")
        for done in range(1001):
            emit.progress("train", done, 1000)

    events = lines_of(act)
    assert (events[0]["done"], events[-1]["done"]) == (0, 1000)
    assert len(events) < 50
    assert events[0]["etaSeconds"] is None
    assert events[-1]["etaSeconds"] == 0
    for event in events:
        check_event(event)


def test_figures_that_json_cannot_carry_are_left_out():
    (event,) = lines_of(lambda channel: Emitter(channel, "1").metric(1, {"loss": float("nan"), "learningRate": 0.1}))
    assert event["values"] == {"learningRate": 0.1}


def test_errors_are_named_by_kind():
    from torch import OutOfMemoryError

    assert classify(OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")).kind == "OutOfMemory"
    assert classify(MemoryError()).kind == "OutOfMemory"
    assert classify(TrainerError("Corrupt", "x")).kind == "Corrupt"
    assert classify(KeyError("x")).kind == "Internal"
    assert classify(Stopped()).details == {"stopped": True}


def test_wire_names_become_python_names():
    settings = decode(Training, TRAINING)
    assert (settings.batch_size, settings.held_out_every, settings.caption_dropout) == (2, 3, 0.3)


def test_no_module_of_configuration_events_or_schedules_imports_torch():
    modules = [
        "server",
        "protocol.schema",
        "training.settings",
        "training.schedule",
        "dataset.order",
        "training.health",
    ]
    imports = "; ".join(f"import plein_air.{name}" for name in modules)
    script = f"import sys; {imports}; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0


def test_the_kept_events_of_the_tests_match_the_emitters_methods():
    assert all(hasattr(Emitter, name) for name in ("progress", "metric", "checkpoint") if hasattr(NoEvents, name))
