"""Drives the Jobs API with the unmodified Python client; prints one JSON object a case."""

import json
import os
import subprocess
import sys
import time
import traceback

from huggingface_hub import HfApi, cancel_job, fetch_job_logs, inspect_job, list_jobs, run_job
from huggingface_hub.errors import HfHubHTTPError

IMAGE = "plein-air"
hf = os.path.join(os.path.dirname(sys.executable), "hf")


def until(job_id, stages, seconds=30):
    end = time.monotonic() + seconds
    while True:
        job = inspect_job(job_id=job_id)
        if job.status.stage in stages:
            return job
        assert time.monotonic() < end, f"expected {stages}, got {job.status}"
        time.sleep(0.1)


def runs_and_completes():
    command = ["python3", "-c", "import os; print('hello', os.environ['A'], os.environ['B'])"]
    job = run_job(image=IMAGE, command=command, env={"A": "1"}, secrets={"B": "hush-hush"}, labels={"kind": "test"})
    done = until(job.id, ["COMPLETED"])
    assert done.command == command and done.environment == {"A": "1"} and done.labels["kind"] == "test"
    assert "hush-hush" not in json.dumps(done.__dict__, default=str), "a secret was shown"
    assert list(fetch_job_logs(job_id=job.id)) == ["hello 1 hush-hush"]


def follows_a_log_while_it_grows():
    code = "import time\nfor i in range(3): print(i, flush=True); time.sleep(0.3)"
    job = run_job(image=IMAGE, command=["python3", "-c", code])
    assert list(fetch_job_logs(job_id=job.id, follow=True)) == ["0", "1", "2"]


def fails_and_says_so():
    job = run_job(image=IMAGE, command=["python3", "-c", "raise SystemExit(3)"])
    assert "3" in until(job.id, ["ERROR"]).status.message


def is_cancelled():
    job = run_job(image=IMAGE, command=["python3", "-c", "import time; time.sleep(600)"])
    cancel_job(job_id=job.id)
    until(job.id, ["CANCELED"])


def times_out():
    job = run_job(image=IMAGE, command=["python3", "-c", "import time; time.sleep(600)"], timeout="1s")
    assert "timeout" in until(job.id, ["ERROR"]).status.message


def is_found_by_label_and_stage():
    job = run_job(image=IMAGE, command=["python3", "-c", ""], labels={"plein-air-session": "one"})
    until(job.id, ["COMPLETED"])
    assert [j.id for j in list_jobs(labels={"plein-air-session": "one"})] == [job.id]
    assert [j.id for j in list_jobs(labels={"plein-air-session": "one"}, status="RUNNING")] == []


def refuses_other_images_and_unknown_keys():
    for arguments in ({"image": "python:3.12"}, {"image": IMAGE, "ssh": True}, {"image": IMAGE, "flavor": "none-such"}):
        try:
            run_job(command=["true"], **arguments)
        except HfHubHTTPError as error:
            assert error.response.status_code == 400, error
        else:
            raise AssertionError(f"expected a refusal of {arguments}")


def lists_hardware_with_prices():
    found = {hardware.name: hardware for hardware in HfApi().list_jobs_hardware()}
    assert found["t4-small"].accelerator.model == "T4" and found["t4-small"].unit_cost_usd > 0


def command_line():
    ran = subprocess.run([hf, "jobs", "run", IMAGE, "python3", "-c", "print('from the command line')"],
                         capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "from the command line" in ran.stdout, ran.stdout + ran.stderr
    shown = subprocess.run([hf, "jobs", "ps", "--all"], capture_output=True, text=True, check=False)
    assert shown.returncode == 0 and IMAGE in shown.stdout, shown.stdout + shown.stderr


for case in (runs_and_completes, follows_a_log_while_it_grows, fails_and_says_so, is_cancelled, times_out,
             is_found_by_label_and_stage, refuses_other_images_and_unknown_keys, lists_hardware_with_prices,
             command_line):
    error = None
    try:
        case()
    except Exception:
        error = traceback.format_exc()
    print(json.dumps({"case": case.__name__, "error": error}), flush=True)
