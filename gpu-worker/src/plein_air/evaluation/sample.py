"""The verb `sample`: the standard sample set's images, generated as a user of the released adapter would generate them.

Every picture carries what it was made from and its pixels' hash, so a run that was killed goes on with the pictures it
has, from the very same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plein_air.atomic_io import sha256_file, write_atomically
from plein_air.errors import Stopped, TrainerError
from plein_air.families import open_base
from plein_air.families.family import Base
from plein_air.loading import LoadOptions

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

_BATCH_PIXELS = 16 * 128 * 128
"""Pixels painted at once: 16 pictures of the tiny profile, one of 512 pixels or more."""

_TEXT_KEY = "plein-air"
"""Name of the PNG text that holds a picture's key, its pixels' hash and whether a value was not finite."""


def run(params: dict[str, Any], emit: Any, stop: threading.Event) -> dict[str, Any]:
    """Generates the pictures that are missing and writes `manifest.json` last."""
    out = Path(params["out"])
    out.mkdir(parents=True, exist_ok=True)
    base = open_base(params["base"], LoadOptions.of(params))
    recipe = _Recipe.of(params, base)
    wanted: list[dict[str, Any]] = params["samples"]
    _check_ids(wanted)
    kept = {sample["id"]: made for sample in wanted if (made := _kept(out, recipe, sample)) is not None}
    reused = len(kept)
    emit.progress("sample", reused, len(wanted))
    batches = [batch for batch in _batches(wanted, params["size"]) if any(s["id"] not in kept for s in batch)]
    if batches:
        with _generator(base, params) as generate:
            for batch in batches:
                if stop.is_set():
                    raise Stopped
                for sample, picture in zip(batch, generate(batch), strict=True):
                    if sample["id"] not in kept:
                        kept[sample["id"]] = _write(out, recipe, sample, picture)
                emit.progress("sample", len(kept), len(wanted))
    manifest = recipe.manifest([kept[sample["id"]] for sample in wanted])
    write_atomically(out / "manifest.json", manifest)
    return {"images": len(wanted), "reused": reused, "manifestSha256": hashlib.sha256(manifest).hexdigest()}


def set_sha256(samples: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> str:
    """Identity of a sample set, as `sampleSetText` in `domain/sample-set.ts` has it: what is asked, not who answers."""
    rows = [[sample["id"], sample["prompt"], sample["seed"]] for sample in samples]
    names = ("size", "inferenceSteps", "guidance", "precision")
    text = ["plein-air sample set 1", *(_as_javascript(settings[name]) for name in names), rows]
    return hashlib.sha256(json.dumps(text, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def _as_javascript(value: Any) -> Any:
    """A whole float as an integer, the way JSON from JavaScript writes it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class _Recipe:
    """All that decides a picture's bytes besides its prompt and seed."""

    base: dict[str, str]
    adapter_sha256: str | None
    adapter_scale: float
    settings: dict[str, Any]
    software: dict[str, str]
    set_sha256: str

    @classmethod
    def of(cls, params: Mapping[str, Any], base: Base) -> _Recipe:
        import diffusers
        import torch

        adapter = params["adapter"]
        if adapter is not None and not Path(adapter).is_file():
            raise TrainerError(
                "InvalidInput",
                f"Expected a LoRA file at adapter, got none at {adapter}: export the checkpoint first.",
                {"field": "adapter"},
            )
        settings = {name: _as_javascript(params[name]) for name in ("size", "inferenceSteps", "guidance")}
        settings["precision"] = base.options.text()
        return cls(
            base={
                "text": base.part_sha256("text"),
                "transformer": base.part_sha256("transformer"),
                "vae": base.part_sha256("vae"),
            },
            adapter_sha256=None if adapter is None else sha256_file(adapter),
            adapter_scale=_as_javascript(params["adapterScale"]),
            settings=settings,
            software={"diffusers": diffusers.__version__, "torch": torch.__version__, "device": base.device.type},
            set_sha256=set_sha256(params["samples"], settings),
        )

    def key(self, sample: Mapping[str, Any]) -> str:
        """Identity of one picture."""
        made_from = [self.base, self.adapter_sha256, self.adapter_scale, self.settings, self.software]
        text = json.dumps([*made_from, sample["prompt"], sample["seed"]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def manifest(self, samples: list[dict[str, Any]]) -> bytes:
        """Bytes of `manifest.json`, sorted and without anything that differs from run to run."""
        record = {
            "format": 1,
            "setSha256": self.set_sha256,
            "base": self.base,
            "adapterSha256": self.adapter_sha256,
            "adapterScale": self.adapter_scale,
            "software": self.software,
            **self.settings,
            "samples": samples,
        }
        return (json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _check_ids(samples: Sequence[Mapping[str, Any]]) -> None:
    ids = [sample["id"] for sample in samples]
    if len(set(ids)) != len(ids):
        twice = sorted({i for i in ids if ids.count(i) > 1})
        raise TrainerError("InvalidInput", f"Expected every sample id once, got {', '.join(twice)} more than once.")


def _batches(samples: Sequence[dict[str, Any]], size: int) -> list[Sequence[dict[str, Any]]]:
    """Groups by position in the set: a picture's last bits may depend on its neighbors in a batch, so those are fixed."""
    length = max(1, min(16, _BATCH_PIXELS // size**2))
    return [samples[start : start + length] for start in range(0, len(samples), length)]


@contextmanager
def _generator(base: Base, params: Mapping[str, Any]) -> Iterator[Any]:
    """A function from requests to images (n, h, w, 3) of float32 in 0 to 1, with the adapter loaded meanwhile."""
    import torch

    prompts = _encode_prompts(base, [sample["prompt"] for sample in params["samples"]])
    adapter = None if params["adapter"] is None else Path(params["adapter"])
    with base.generator(adapter, float(params["adapterScale"])) as generate:
        yield lambda batch: generate(
            embeddings=[prompts[sample["prompt"]] for sample in batch],
            generators=[torch.Generator("cpu").manual_seed(int(sample["seed"])) for sample in batch],
            size=params["size"],
            steps=params["inferenceSteps"],
            guidance=float(params["guidance"]),
        )


_encoded: dict[tuple[str, str], tuple[torch.Tensor, torch.Tensor]] = {}
"""Embeddings of the session by encoders and prompt: base and candidate are generated from the same prompts."""


def _encode_prompts(base: Base, prompts: Sequence[str]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """T5 sequence (T, d) and pooled CLIP vector (d,) of each different prompt; a GPU holds encoders or transformer."""
    text = base.part_sha256("text")
    missing = [prompt for prompt in dict.fromkeys(prompts) if (text, prompt) not in _encoded]
    if missing and base.device.type == "cuda":
        base.release("transformer")
    for prompt in missing:
        sequence, pooled = base.encode_prompt(prompt)
        _encoded[text, prompt] = (sequence.to("cpu"), pooled.to("cpu"))
    if base.device.type == "cuda":
        base.release("text")
    return {prompt: _encoded[text, prompt] for prompt in dict.fromkeys(prompts)}


def _write(out: Path, recipe: _Recipe, sample: Mapping[str, Any], picture: NDArray[np.float32]) -> dict[str, Any]:
    """Writes a picture whole or not at all; returns its entry in the manifest."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    finite = bool(np.isfinite(picture).all())
    pixels = np.round(np.nan_to_num(picture, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1) * 255).astype(np.uint8)
    seal = {"key": recipe.key(sample), "nonFinite": not finite, "pixels": hashlib.sha256(pixels.tobytes()).hexdigest()}
    text = PngInfo()
    text.add_text(_TEXT_KEY, json.dumps(seal, sort_keys=True))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=text, compress_level=6)
    write_atomically(out / f"{sample['id']}.png", buffer.getvalue())
    return _entry(sample, buffer.getvalue(), not finite)


def _kept(out: Path, recipe: _Recipe, sample: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest entry of a picture that is there, undamaged and made from just this recipe; else None."""
    from PIL import Image

    file = out / f"{sample['id']}.png"
    try:
        data = file.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image)
            seal = json.loads(getattr(image, "text", {})[_TEXT_KEY])
    except (OSError, ValueError, KeyError, SyntaxError):
        return None
    if seal.get("key") != recipe.key(sample) or seal.get("pixels") != hashlib.sha256(pixels.tobytes()).hexdigest():
        return None
    return _entry(sample, data, bool(seal["nonFinite"]))


def _entry(sample: Mapping[str, Any], data: bytes, non_finite: bool) -> dict[str, Any]:
    return {
        "id": sample["id"],
        "prompt": sample["prompt"],
        "seed": sample["seed"],
        "sha256": hashlib.sha256(data).hexdigest(),
        "nonFinite": non_finite,
    }
