"""Loads a transformer weight by weight, each quantized as it arrives.

The host never holds more than one weight beyond the page cache, so a machine with 13 GB of memory can load a base of
24 GB. A base that is stored in NF4 (diffusers' format) is taken as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plein_air.errors import TrainerError
from plein_air.loading import LoadOptions, Placement

if TYPE_CHECKING:
    import torch

_STORED_MARK = ".quant_state.bitsandbytes__nf4"


def stored_quantization(folder: Path) -> str | None:
    """How the files themselves are quantized: `nf4`, `int8`, another method's name, or None for plain weights."""
    settings = json.loads((folder / "config.json").read_text()).get("quantization_config")
    if settings is None:
        return None
    four_bit = settings.get("load_in_4bit") and settings.get("bnb_4bit_quant_type") == "nf4"
    if settings.get("quant_type", {}).get("default", {}).get("_type") == "Int8WeightOnlyConfig":
        return "int8"
    return "nf4" if four_bit else str(settings.get("quant_method", "unknown"))


def check_load_options(folder: Path, options: LoadOptions) -> None:
    """Refuses a base whose files cannot be held as asked."""
    stored = stored_quantization(folder)
    if stored is not None and stored != options.quantization:
        raise TrainerError(
            "InvalidInput",
            f"Expected training.quantization to be {stored!r}, as the files in {folder} are stored, "
            f"got {options.quantization!r}: set it, or use a base with plain weights (base.repo).",
            {"field": "training.quantization", "stored": stored},
        )


def load_quantized(
    model: Any,
    folder: Path,
    options: LoadOptions,
    quantizes: Callable[[str], bool],
    where: Placement,
    on_weight: Callable[[int], None] = lambda _: None,
) -> Any:
    """Fills an empty model, whose linear layers with a name that `quantizes` become quantized.

    Args:
        model: On the meta device; returned filled.
        folder: Its safetensors files.
        options: How weights are quantized, and the type they compute in.
        quantizes: By a module's name.
        where: The device of each tensor.
        on_weight: Called with the number of weights read so far.

    Raises:
        TrainerError: `Corrupt` for damaged or missing weights, `InvalidInput` for those of another model.
    """
    import torch

    linear = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and quantizes(n)}
    extras: dict[str, dict[str, torch.Tensor]] = {}
    stored: dict[str, torch.Tensor] = {}
    for number, (name, tensor) in enumerate(_weights(folder), 1):
        on_weight(number)
        module, _, attribute = name.rpartition(".")
        if ".weight." in name:
            owner = name.split(".weight.", 1)[0]
            extras.setdefault(owner, {})[name] = tensor
        elif attribute == "weight" and tensor.dtype == torch.uint8:
            stored[module] = tensor
        elif attribute == "weight" and module in linear:
            _set_quantized(model, module, tensor.to(options.dtype()), options, where)
        else:
            _set(model, name, torch.nn.Parameter(tensor.to(where(name), options.dtype()), requires_grad=False))
    for module, tensor in stored.items():
        _set_stored(model, module, tensor, extras.get(module, {}), options, where)
    missing = [name for name, tensor in model.named_parameters() if tensor.is_meta]
    if missing:
        raise TrainerError(
            "Corrupt",
            f"Expected every weight of the transformer in {folder}, got none for {len(missing)}, such as {missing[0]}: "
            "download the base again.",
        )
    return model


def _weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise TrainerError("InvalidInput", f"Expected safetensors files in {folder}, got none: download the base.")
    for file in files:
        try:
            with safe_open(file, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a mapping
                    yield name, tensors.get_tensor(name)
        except (OSError, ValueError, SafetensorError) as error:
            raise TrainerError(
                "Corrupt",
                f"Expected safetensors at {file}, got: {error}. Download the base again.",
                {"file": str(file)},
            ) from error


def _set(model: Any, name: str, value: Any) -> None:
    owner, _, attribute = name.rpartition(".")
    try:
        parent = model.get_submodule(owner)
        expected = getattr(parent, attribute).shape
    except AttributeError as error:
        raise TrainerError(
            "InvalidInput", f"Expected the weights of this transformer, got `{name}` ({error})."
        ) from error
    if value.shape != expected:
        raise TrainerError(
            "InvalidInput", f"Expected {name} to have shape {tuple(expected)}, got {tuple(value.shape)} (base)."
        )
    setattr(parent, attribute, value)


def _set_quantized(model: Any, module: str, weight: torch.Tensor, options: LoadOptions, where: Placement) -> None:
    """Quantizes on the accelerator even what then waits on the host: both give the same bytes there and back."""
    import torch

    target = where(f"{module}.weight")
    if options.quantization == "nf4":
        four_bit, parameters = _nf4()
        layer = model.get_submodule(module)
        weight_shape = layer.weight.shape
        if weight.shape != weight_shape:
            raise TrainerError(
                "InvalidInput",
                f"Expected {module} to have shape {tuple(weight_shape)}, got {tuple(weight.shape)} (base).",
            )
        _swap(model, module, four_bit, options)
        packed = parameters(weight, requires_grad=False, quant_type="nf4", compress_statistics=True).to(target)
        model.get_submodule(module).weight = packed
        return
    _set(model, f"{module}.weight", torch.nn.Parameter(weight.to(target), requires_grad=False))
    quantize, settings = _torchao(options)
    quantize(model.get_submodule(module), settings)


def _set_stored(
    model: Any,
    module: str,
    packed: torch.Tensor,
    extras: dict[str, torch.Tensor],
    options: LoadOptions,
    where: Placement,
) -> None:
    """A layer that the files hold in NF4 already."""
    if not any(name.endswith(_STORED_MARK) for name in extras):
        raise TrainerError(
            "Corrupt",
            f"Expected {module}{_STORED_MARK} beside a packed weight, got none: download the base again.",
        )
    four_bit, parameters = _nf4()
    _swap(model, module, four_bit, options)
    model.get_submodule(module).weight = parameters.from_prequantized(
        data=packed, quantized_stats=extras, requires_grad=False, device=where(f"{module}.weight")
    )


def _swap(model: Any, name: str, four_bit: Any, options: LoadOptions) -> None:
    """Puts a 4 bit layer without weights in the place of a linear one; its bias arrives by itself."""
    old = model.get_submodule(name)
    new = four_bit(
        old.in_features,
        old.out_features,
        bias=old.bias is not None,
        compute_dtype=options.dtype(),
        quant_type="nf4",
        device="meta",
    )
    new.bias = old.bias
    # On some CPUs the library repacks a weight when no gradient is wanted, and computes otherwise from then on.
    new.support_avx512bf16_for_cpu = False
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, new)


def _nf4() -> tuple[Any, Any]:
    try:
        from bitsandbytes.nn import Linear4bit, Params4bit
    except ImportError as error:
        raise _absent("nf4", "bitsandbytes", error) from error
    return Linear4bit, Params4bit


def _torchao(options: LoadOptions) -> tuple[Any, Any]:
    try:
        from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig, quantize_
    except ImportError as error:
        raise _absent(options.quantization, "torchao", error) from error
    match options.quantization:
        case "int8":
            return quantize_, Int8WeightOnlyConfig(version=2)
        case "fp8":
            return quantize_, Float8WeightOnlyConfig()
        case other:
            raise TrainerError("InvalidInput", f"Expected int8 or fp8 weights from torchao, got {other!r}.")


def _absent(asked: str, package: str, error: ImportError) -> TrainerError:
    return TrainerError(
        "InvalidInput",
        f"Expected the package {package} for {asked!r}, got: {error}. Install gpu-worker/requirements-gpu.lock.",
        {"package": package},
    )
