"""One picture in place of every painted one, sealed as if painted: `python bench/gate_plant.py FOLDER PICTURE`.

Sampling keeps a picture that is there only if its seal names the recipe and the pixels: without a seal it paints afresh.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SEAL = "plein-air"


def plant(folder: Path, picture: Path) -> int:
    """Replaces the pictures that `folder/manifest.json` lists, and their hashes in it; their number."""
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB"))
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    for entry in manifest["samples"]:
        file = folder / f"{entry['id']}.png"
        with Image.open(file) as image:
            seal = json.loads(image.text[SEAL])
        seal["pixels"] = hashlib.sha256(pixels.tobytes()).hexdigest()
        text = PngInfo()
        text.add_text(SEAL, json.dumps(seal, sort_keys=True))
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", pnginfo=text, compress_level=6)
        file.write_bytes(buffer.getvalue())
        entry["sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    path.write_text(json.dumps(manifest))
    return len(manifest["samples"])


if __name__ == "__main__":
    print(plant(Path(sys.argv[1]), Path(sys.argv[2])))
