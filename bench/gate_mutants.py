"""Reports of good models and of mutants, by the real verb `evaluate`, for bench/gate-mutants.ts to judge.

    python bench/gate_mutants.py BASE DATASET set.json MODELS

MODELS comes from bench/gate_models.py. Every kind gets `MODELS/<kind>/report/report.json`, or `refused.txt` where the
verb itself refuses the pictures. Production is `twin-2`, a model trained alike with another seed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

KINDS = ("twin-1", "step-200", "step-150", "step-100", "step-50", "zero", "nan", "scale-3", "copyist")


class Quiet:
    """Events that go nowhere."""

    def progress(self, *_: Any) -> None: ...


def main() -> None:
    """Writes every report."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("base", "dataset", "set", "models"):
        parser.add_argument(name, type=Path)
    asked = parser.parse_args()
    described = json.loads(asked.set.read_text())
    samples = described["samples"][:128]
    for kind in (*KINDS, "collapse", "swapped-base", "wrong-trigger"):
        folder = asked.models / kind
        source = "twin-1" if kind in ("collapse", "swapped-base", "wrong-trigger") else kind
        ours = trimmed(asked.models / source / "pictures", folder / "gate", samples, kind)
        params = {
            "base": str(asked.base), "dataset": str(asked.dataset), "adapter": str(folder / "gate" / "adapter.bin"),
            "baseSamples": str(trimmed(asked.models / "base" / "pictures", asked.models / "base" / "gate", samples, "base")),
            "candidateSamples": str(ours), "parity": None, "encoder": "efficientnet-lite0", "models": [],
            "rivals": [rival(asked.models, samples)], "samples": samples, "heldOutLoss": None,
            "confidence": described["gate"]["lookConfidence"], "seed": 0, "out": str(folder / "report"),
        }  # fmt: skip
        measure(folder, params)
        print(kind, flush=True)


def measure(folder: Path, params: dict[str, Any]) -> None:
    from plein_air.errors import TrainerError
    from plein_air.evaluation import evaluate

    for old in (folder / "report" / "report.json", folder / "refused.txt"):
        old.unlink(missing_ok=True)
    try:
        evaluate.run(params, Quiet(), threading.Event())
    except TrainerError as error:
        (folder / "refused.txt").write_text(str(error))


def rival(models: Path, samples: list[dict[str, Any]]) -> dict[str, Any]:
    folder = trimmed(models / "twin-2" / "pictures", models / "twin-2" / "gate", samples, "twin-2")
    sha256 = json.loads((folder / "manifest.json").read_text())["adapterSha256"]
    prompts = [sample["prompt"] for sample in samples]
    return {"name": "production", "tag": "v1", "adapterSha256": sha256, "samples": str(folder), "prompts": prompts}


def trimmed(source: Path, out: Path, samples: list[dict[str, Any]], kind: str) -> Path:
    """The first look's pictures of a model, in a folder with a manifest of their own; mutants are made here."""
    from plein_air.evaluation.sample import set_sha256

    out.mkdir(parents=True, exist_ok=True)
    manifest = json.loads((source / "manifest.json").read_text())
    entries = {entry["id"]: entry for entry in manifest["samples"]}
    prompts = {sample["id"]: sample["prompt"] for sample in samples}
    for sample in samples:
        # One picture for every prompt and seed: as good as the model's best, and always the same.
        name = samples[0]["id"] if kind == "collapse" else sample["id"]
        shutil.copyfile(source / f"{name}.png", out / f"{sample['id']}.png")
    kept: list[dict[str, Any]] = []
    for sample in samples:
        file = out / f"{sample['id']}.png"
        entry = {**entries[sample["id"]], "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        if kind == "wrong-trigger":
            entry["prompt"] = prompts[sample["id"]].replace("plnr impressionism", "oil on canvas")
        kept.append(entry)
    base = dict(manifest["base"])
    if kind == "swapped-base":
        base["transformer"] = "0" * 64
    adapter = f"adapter of {kind}".encode()
    (out / "adapter.bin").write_bytes(adapter)
    own = None if kind == "base" else hashlib.sha256(adapter).hexdigest()
    set_sha = set_sha256(kept, {name: manifest[name] for name in ("size", "inferenceSteps", "guidance", "precision")})
    record = {**manifest, "base": base, "adapterSha256": own, "samples": kept, "setSha256": set_sha}
    (out / "manifest.json").write_text(json.dumps(record))
    return out


if __name__ == "__main__":
    main()
