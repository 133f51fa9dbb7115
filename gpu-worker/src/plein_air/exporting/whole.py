"""The verb `fuse`: whole transformers with the adapter in their weights, plain and quantized, as diffusers loads them.

Weights are read, changed and written one by one, so a machine that trained on a base can also write it, whatever
memory the whole of it would take.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plein_air.atomic_io import sha256_file, write_atomically
from plein_air.devices import prepare_torch
from plein_air.errors import Stopped, TrainerError
from plein_air.families import open_base
from plein_air.families.family import Base
from plein_air.loading import LoadOptions, Precision
from plein_air.protocol.channel import Emitter
from plein_air.protocol.decode import decode
from plein_air.quantized import stored_quantization
from plein_air.tensor_file import Shape, read_shapes, read_tensors, write_tensors
from plein_air.training.adapter import rank_and_alpha

if TYPE_CHECKING:
    import torch

WEIGHTS = "diffusion_pytorch_model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
PLAIN = "fused"
_PREFIX, _A, _B = "transformer.", ".lora_A.weight", ".lora_B.weight"


@dataclass(frozen=True)
class FuseParams:
    """Parameters of `fuse`; see `FuseParams` in the protocol."""

    base: str
    adapter: str
    kinds: tuple[str, ...]
    precision: Precision
    out: str


def run(params: dict[str, Any], emit: Emitter, stop: threading.Event) -> dict[str, Any]:
    """Writes a folder each, named after its kind; `fused` is there in any case, for the others come from it."""
    wanted = decode(FuseParams, params)
    base = open_base(wanted.base, LoadOptions(wanted.precision))
    # What the session holds of the base would take the memory that quantizing needs.
    base.release("transformer", "text")
    source, out = Path(wanted.base) / "transformer", Path(wanted.out)
    stored = stored_quantization(source)
    if stored is not None:
        raise TrainerError(
            "InvalidInput",
            f"Expected a base with plain weights for deployment.variants, got one stored in {stored!r}: "
            "choose another base.repo, or release the adapter alone.",
            {"field": "deployment.variants", "stored": stored},
        )
    steps = _Steps(emit, stop, sum(len(read_shapes(file)) for file in source.glob("*.safetensors")))
    fused = _fuse(source, Path(wanted.adapter), out / PLAIN, steps)
    made = []
    for kind in wanted.kinds:
        written = fused
        if kind != PLAIN:
            options = LoadOptions(wanted.precision, kind)  # pyright: ignore[reportArgumentType]
            written = _quantize(base, out / PLAIN, options, out / kind, steps)
        made.append({"kind": kind, "folder": str(out / kind), "files": _listed(out / kind, written)})
    return {"variants": made}


@dataclass(frozen=True)
class _Steps:
    """Signs of life with every weight, and the place where a stop is heard."""

    emit: Emitter
    stop: threading.Event
    total: int

    def report(self, stage: str, done: int) -> None:
        if self.stop.is_set():
            raise Stopped
        self.emit.progress(stage, done, self.total)


def _listed(folder: Path, written: dict[str, str]) -> list[dict[str, Any]]:
    """Every file with its hash: `written` has those of the large ones, known since they were written."""
    return [
        {"path": file.name, "bytes": file.stat().st_size, "sha256": written.get(file.name) or sha256_file(file)}
        for file in sorted(folder.iterdir())
        if file.suffix in (".json", ".safetensors") and not file.name.startswith(".")
    ]


def _fuse(source: Path, adapter: Path, out: Path, steps: _Steps) -> dict[str, str]:
    """Every weight of the base, in its own file and type, with the adapter's update added in fp32; sha256 by file."""
    from safetensors import safe_open

    updates = _Updates.of(adapter)
    written: dict[str, str] = {}
    done = 0
    for file in sorted(source.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:

            def fused(name: str, tensors: Any = tensors) -> torch.Tensor:
                nonlocal done
                done += 1
                steps.report("adding the adapter to the base", done)
                return updates.added_to(name, tensors.get_tensor(name))

            written[file.name] = write_tensors(out / file.name, read_shapes(file), fused, {"format": "pt"})
    if updates.unused:
        raise TrainerError(
            "BadData",
            f"Expected every layer of the adapter in {source}, got none for {len(updates.unused)}, "
            f"such as {min(updates.unused)}: adapter and base do not belong together.",
        )
    write_atomically(out / "config.json", (source / "config.json").read_bytes())
    if (source / INDEX).is_file():
        write_atomically(out / INDEX, (source / INDEX).read_bytes())
    return written


class _Updates:
    """An adapter's updates, by the name of the weight that each belongs to."""

    def __init__(self, pairs: dict[str, tuple[torch.Tensor, torch.Tensor]], scale: float) -> None:
        self._pairs = pairs
        self._scale = scale
        self._device = prepare_torch()
        self.unused = set(pairs)

    @classmethod
    def of(cls, adapter: Path) -> _Updates:
        rank, alpha = rank_and_alpha(adapter)
        tensors = read_tensors(adapter)
        stems = [name.removesuffix(_A) for name in tensors if name.endswith(_A)]
        pairs = {f"{s.removeprefix(_PREFIX)}.weight": (tensors[s + _A], tensors[s + _B]) for s in stems}
        if 2 * len(pairs) != len(tensors):
            raise TrainerError("BadData", f"Expected pairs of LoRA matrices in {adapter}, got other tensors, too.")
        return cls(pairs, alpha / rank)

    def added_to(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        import torch

        if name not in self._pairs:
            return weight
        self.unused.discard(name)
        a, b = (matrix.to(self._device, torch.float32) for matrix in self._pairs[name])
        update = (b @ a) * self._scale
        if update.shape != weight.shape:
            raise TrainerError("BadData", f"Expected an update of {tuple(weight.shape)} for {name}, got {update.shape}")
        return (weight.to(self._device, torch.float32) + update).to("cpu", weight.dtype)


def _quantize(base: Base, fused: Path, options: LoadOptions, out: Path, steps: _Steps) -> dict[str, str]:
    """The fused transformer with its blocks' linear layers quantized, as diffusers itself would write it; sha256 by file."""
    stage = f"quantizing to {options.quantization}"
    model, plain = base.quantized_transformer(fused, options, lambda done: steps.report(stage, done))
    match options.quantization:
        case "int8":
            stored = _int8(model, options, plain)
        case "nf4":
            stored = _nf4(model, options, plain)
        case other:
            raise TrainerError(
                "InvalidInput", f"Expected a variant in int8 or nf4, got {other!r} (deployment.variants).",
                {"field": "deployment.variants"},
            )  # fmt: skip
    config = {**json.loads((fused / "config.json").read_text()), "quantization_config": stored.settings}
    metadata = {"format": "pt", **stored.metadata}
    sha256 = write_tensors(out / WEIGHTS, stored.shapes, stored.tensor_of, metadata)
    write_atomically(out / "config.json", (json.dumps(config, indent=1, sort_keys=True) + "\n").encode())
    return {WEIGHTS: sha256}


@dataclass(frozen=True)
class _Stored:
    """A quantized model as files hold it, one tensor at a time."""

    shapes: dict[str, Shape]
    tensor_of: Callable[[str], torch.Tensor]
    metadata: dict[str, str]
    settings: dict[str, Any]


def _int8(model: Any, _options: LoadOptions, plain: list[str]) -> _Stored:
    """Torchao's flat form of its tensors: plain tensors, and JSON in the header that says how to put them together.

    Flattening copies what it is given: it is given one tensor at a time.
    """
    from diffusers import TorchAoConfig
    from torchao.prototype.safetensors.safetensors_support import flatten_tensor_state_dict
    from torchao.quantization import Int8WeightOnlyConfig

    state = model.state_dict()
    shapes: dict[str, Shape] = {}
    whole: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for name, tensor in state.items():
        parts, told = flatten_tensor_state_dict({name: tensor})
        metadata |= told
        shapes |= {part: (value.dtype, tuple(value.shape)) for part, value in parts.items()}
        whole |= dict.fromkeys(parts, name)
    metadata["tensor_names"] = json.dumps(list(state))
    settings = TorchAoConfig(Int8WeightOnlyConfig(version=2), modules_to_not_convert=plain).to_dict()

    def tensor_of(part: str) -> torch.Tensor:
        return flatten_tensor_state_dict({whole[part]: state[whole[part]]})[0][part]

    return _Stored(shapes, tensor_of, metadata, settings)


def _nf4(model: Any, options: LoadOptions, plain: list[str]) -> _Stored:
    """Bitsandbytes' own form: packed weights with their quantization state beside them."""
    from diffusers import BitsAndBytesConfig

    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=options.dtype(),
        llm_int8_skip_modules=plain,
    )
    state = model.state_dict()
    shapes = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in state.items()}
    return _Stored(shapes, state.__getitem__, {}, settings.to_dict())
