"""Speaks the protocol; what goes wrong is chosen by the request's `strategy`-like marker in `base`."""

import json
import os
import signal
import sys
import time


def say(**event):
    print(json.dumps(event), flush=True)


say(event="ready", protocol=1, pid=os.getpid())
for line in sys.stdin:
    request = json.loads(line)
    verb, id = request["verb"], request["id"]
    if verb == "shutdown":
        break
    if verb == "stop":
        continue
    if verb == "probe":
        versions = {name: value for name, value in os.environ.items()}
        say(event="result", id=id, result=dict(
            device="cpu", name="fake", vramBytes=None, ramBytes=1, cpuCapability="none", threads=1, versions=versions))
        continue
    fault = request["params"]["base"]
    if fault == "garbage":
        print("Traceback: this is no event", flush=True)
        time.sleep(60)
    elif fault == "exit":
        say(event="progress", id=id, stage="train", done=1, total=2, etaSeconds=None)
        print("CUDA error: the last words", file=sys.stderr, flush=True)
        sys.exit(3)
    elif fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say(event="progress", id=id, stage="train", done=1, total=2, etaSeconds=None)
        while True:
            time.sleep(60)
    elif fault == "lingers":
        # Answers when it is told to end, as a verb between two pictures does, and is slow to leave.
        stopped = dict(event="error", id=id, kind="Internal", message="Stopped on request", details={})
        signal.signal(signal.SIGTERM, lambda *_: say(**stopped))
        say(event="progress", id=id, stage="train", done=1, total=2, etaSeconds=None)
        while True:
            time.sleep(60)
    elif fault == "error":
        say(event="error", id=id, kind="Diverged", message="Expected a finite loss, got nan", details={"step": 7})
    elif fault == "wrong-result":
        say(event="result", id=id, result={"images": "many"})
