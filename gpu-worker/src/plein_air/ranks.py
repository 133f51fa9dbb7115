"""Several processes that train as one, a GPU each: rank 0 leads and speaks the protocol, the others follow.

`accelerate launch` starts them and says in the environment who is who. They exchange JSON and flat tensors, nothing pickled.
What is added up is added in the order of the micro-steps, as one process would: their number changes no byte.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from plein_air.errors import TrainerError, classify

if TYPE_CHECKING:
    import torch

_PATIENCE = timedelta(days=365)
"""A follower waits for its next request as long as the session lasts; a lost process is noticed by its closed connection."""


def own_rank() -> int:
    """0 for the leader, and for a process that is alone."""
    return int(os.environ.get("RANK", "0"))


def how_many() -> int:
    """Processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def launch() -> None:
    """Becomes `accelerate launch` where the worker asks for several processes; it starts this program in each of them."""
    wanted = int(os.environ.get("PLEIN_AIR_TRAINER_PROCESSES", "1"))
    if wanted > 1 and "RANK" not in os.environ:
        options = f"--multi_gpu --num_processes {wanted} --num_machines 1 --mixed_precision no --dynamo_backend no"
        launcher = [sys.executable, "-m", "accelerate.commands.launch", *options.split(), "--main_process_port", "0"]
        os.execv(sys.executable, [*launcher, "--module", "plein_air"])


def die_with_launcher() -> None:
    """Has the kernel end this process with the one that started it, even while it hangs."""
    if how_many() > 1 and sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Ranks:
    """The processes of this session; alone, each of its methods returns what it was given."""

    def __init__(self) -> None:
        """Connects to the others, once a process."""
        self.rank, self.count = own_rank(), how_many()
        self.leads = self.rank == 0
        if self.count > 1:
            import torch
            from torch import distributed

            if not distributed.is_initialized():
                backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
                _exchange(lambda: distributed.init_process_group(backend, timeout=_PATIENCE))

    def from_leader(self, value: Any = None) -> Any:
        """What the leader says, to everyone; JSON."""
        return value if self.count == 1 else self.of_all(value if self.leads else None)[0]

    def of_all(self, value: Any) -> list[Any]:
        """What each process says, by rank; JSON."""
        if self.count == 1:
            return [value]
        import torch

        text = json.dumps(value).encode()
        sizes = [int(size) for size in self._gather(torch.tensor([len(text)]))]
        padded = torch.zeros(max(sizes), dtype=torch.uint8)
        padded[: len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        texts = self._gather(padded)
        return [json.loads(bytes(t[:size].tolist())) for t, size in zip(texts, sizes, strict=True)]

    def attempt(self, work: Callable[[], float]) -> list[float]:
        """What each process's work gives; what fails in one of them fails in all."""
        try:
            mine = {"value": work()}
        except Exception as error:
            failure = classify(error)
            traceback.print_exc()
            mine = {"kind": failure.kind, "message": str(failure), "details": failure.details}
        outcomes = self.of_all(mine)
        for outcome in outcomes:
            if "kind" in outcome:
                raise TrainerError(outcome["kind"], outcome["message"], outcome["details"])
        return [outcome["value"] for outcome in outcomes]

    def check_alike(self, fingerprint: dict[str, Any]) -> None:
        """Refuses processes that would not compute the same: another kind of GPU, other versions."""
        for rank, other in enumerate(self.of_all(fingerprint)):
            differing = [f"{n}: {v!r} -> {other.get(n)!r}" for n, v in fingerprint.items() if other.get(n) != v]
            if other != fingerprint:
                raise TrainerError(
                    "InvalidInput",
                    f"Expected every process of a training to be alike, got another rank {rank}: {'; '.join(differing)}. "
                    "Train on GPUs of one kind, or on one.",
                )

    def add_gradients(self, parameters: list[torch.nn.Parameter], before: list[torch.Tensor], count: int) -> None:
        """Leaves in every process `before` (or nothing) and the first `count` ranks' gradients, added one after the other."""
        import torch

        mine = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])
        total = before
        for row in self._gather(mine)[:count]:
            parts = [
                part.view_as(p) for part, p in zip(row.split([p.numel() for p in parameters]), parameters, strict=True)
            ]
            if total:
                torch._foreach_add_(total, parts)
            else:
                total = [part.clone() for part in parts]
        for parameter, gradient in zip(parameters, total, strict=True):
            parameter.grad = gradient

    def _gather(self, mine: torch.Tensor) -> list[torch.Tensor]:
        import torch
        from torch import distributed

        theirs = [torch.empty_like(mine) for _ in range(self.count)]
        _exchange(lambda: distributed.all_gather(theirs, mine))
        return theirs


def _exchange(work: Callable[[], Any]) -> None:
    """An exchange that fails means that another process is gone: this one follows, and a new attempt begins with all of them."""
    try:
        work()
    except RuntimeError as error:
        abort(error)


def abort(error: BaseException) -> NoReturn:
    """Ends this process at once; the launcher ends the others."""
    sys.stderr.write(f"rank {own_rank()} of {how_many()} ends: {error}\n")
    sys.stderr.flush()
    os._exit(1)
