"""A checkpoint whose adapter was changed: `python bench/gate_mutate.py CHECKPOINT OUT FACTOR`.

FACTOR multiplies every B matrix: 0 is an adapter without effect, 3 one turned up, nan one that diverged.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

from plein_air.tensor_file import pack_tensors, read_header, read_tensors

FILE = "pytorch_lora_weights.safetensors"


def main() -> None:
    """Copies the checkpoint, changes its adapter, and writes a manifest that agrees."""
    source, out, factor = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    shutil.copytree(source, out, dirs_exist_ok=True)
    tensors = {k: v * factor if ".lora_B." in k else v for k, v in read_tensors(source / FILE).items()}
    data = pack_tensors(tensors, read_header(source / FILE)[1])
    (out / FILE).write_bytes(data)
    manifest = json.loads((source / "manifest.json").read_text())
    for entry in manifest["files"]:
        if entry["path"] == FILE:
            entry |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (out / "manifest.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    main()
