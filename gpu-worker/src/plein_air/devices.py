"""Which device computes, and how it is made to give the same bytes every time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from plein_air.errors import TrainerError
from plein_air.ranks import how_many

if TYPE_CHECKING:
    import torch

_prepared: list[torch.device] = []


def set_environment() -> None:
    """Settings that must be in the environment before torch is imported."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("MKL_NUM_THREADS", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def prepare_torch() -> torch.device:
    """Picks cuda or cpu, one thread on the CPU, deterministic algorithms; once a process."""
    if _prepared:
        return _prepared[0]
    set_environment()
    import torch

    cuda = torch.cuda.is_available()
    if cuda and how_many() > torch.cuda.device_count():
        raise TrainerError(
            "InvalidInput",
            f"Expected a GPU for each of {how_many()} processes, got {torch.cuda.device_count()}: set "
            "PLEIN_AIR_TRAINER_PROCESSES of this worker to that number or less.",
        )
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory with NaN is only a debugging aid, and costs a pass over every output.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.cudnn.benchmark = False
    _prepared.append(torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu"))
    if cuda:
        torch.cuda.set_device(_prepared[0])
    return _prepared[0]


def device_kind(device: torch.device) -> str:
    """What two devices have in common that compute the same bytes: a GPU's name, or the CPU's vector instructions."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu {torch.backends.cpu.get_cpu_capability()}"


def half_dtype(device: torch.device) -> torch.dtype:
    """The type that models run in where half precision is enough: bf16 from compute capability 8 on, fp16 on older GPUs.

    fp32 on the CPU. A T4 (7.5) has no units for bf16: what PyTorch computes there in bf16 is emulated.
    """
    import torch

    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
