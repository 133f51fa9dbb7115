"""What a checkpoint of FLUX.1-dev's size costs the training, against the default interval of 180 s.

    python bench/checkpoint_cost.py [--parameters 44826624] [--interval 180]

Small matrix products stand for the training. Measured: how long they stop for the copy, and how much slower they go while
a thread packs, hashes and fsyncs, and while another process uploads it to a local Hub, in CPU-bound work: the worst case, a
GPU would hardly notice.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

import torch

from plein_air.tensor_file import pack_tensors
from plein_air.training.checkpoint import write_checkpoint
from plein_air.training.writer import copied


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--parameters", type=int, default=44_826_624, help="LoRA weights: rank 16 of the default preset"
    )
    parser.add_argument("--interval", type=float, default=180)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = options.parameters // 3072 // 16
    kinds = ("adapter", "exp_avg", "exp_avg_sq")
    state = {f"{kind}.{n}": torch.rand(rows, 3072) for kind in kinds for n in range(16)}
    plain = pace(lambda: False, 3.0)
    began = time.perf_counter()
    snapshot = copied(state)
    stall = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        done = threading.Event()

        def write() -> None:
            files = {
                f"{kind}.safetensors": pack_tensors({n: t for n, t in snapshot.items() if n.startswith(f"{kind}.")})
                for kind in kinds
            }
            write_checkpoint(folder, "step-00000001", files, {})
            done.set()

        began = time.perf_counter()
        threading.Thread(target=write).start()
        busy = pace(done.is_set, 600)
        writing = time.perf_counter() - began
        upload = subprocess.Popen(
            ["node", "scripts/ts.mjs", "bench/upload-checkpoint.ts", f"{folder}/step-00000001"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert upload.stdin is not None and upload.stdout is not None
        upload.stdout.readline()
        upload.stdin.write("go\n")
        upload.stdin.close()
        uploaded = threading.Event()
        said: list[str] = []
        threading.Thread(target=lambda: (said.append(upload.stdout.readline()), uploaded.set())).start()
        beside = pace(uploaded.is_set, 600)
        if upload.wait() != 0:
            sys.exit(f"the upload ended with {upload.returncode}")
        uploading, upload_cpu = map(float, said[0].split())
    lost = stall + writing * max(0.0, 1 - busy / plain) + uploading * max(0.0, 1 - beside / plain)
    print(
        json.dumps(
            {
                "megabytes": sum(t.numel() for t in state.values()) * 4 / 1e6,
                "stallSeconds": stall,
                "writingSeconds": writing,
                "slowdownWhileWriting": max(0.0, 1 - busy / plain),
                "uploadSeconds": uploading,
                "uploadCpuSeconds": upload_cpu,
                "slowdownWhileUploading": max(0.0, 1 - beside / plain),
                "shareOfInterval": lost / options.interval,
            },
            indent=1,
        )
    )


def pace(ended: Callable[[], bool], limit: float) -> float:
    """Products a second until it has ended."""
    left, right = torch.rand(256, 256), torch.rand(256, 256)
    began, count = time.perf_counter(), 0
    while not ended() and time.perf_counter() - began < limit:
        left @ right
        count += 1
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
