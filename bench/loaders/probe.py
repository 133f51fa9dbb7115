"""Loads adapters with one tool's own code and writes down how it changed every layer.

    probe.py TOOL CHECKOUT CASES OUT

Run by matrix.py in the tool's own environment, once a tool.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from adapters import SHAPES, sketch


def main() -> None:
    """One JSON line a file; the sketches go to OUT."""
    tool, checkout, listed, out = sys.argv[1:]
    sys.argv = sys.argv[:1]
    torch.set_num_threads(1)
    loader = importlib.import_module(f"tools.{tool}")
    with contextlib.redirect_stdout(io.StringIO()):
        load = loader.prepare(Path(checkout))
    for index, item in enumerate(json.loads(Path(listed).read_text())):
        try:
            with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
                loaded = load(Path(item["file"]), SHAPES[item["shape"]])
            names = {name: sketch(change) for name, change in loaded["changes"].items()}
            torch.save(names, Path(out) / f"{tool}-{index}.pt")
            answer = {"tried": loaded["tried"], "loaded": loaded["loaded"], "error": None}
        except Exception as error:
            answer = {"tried": 0, "loaded": 0, "error": f"{type(error).__name__}: {error}"[:200]}
        sys.stdout.write(json.dumps({"index": index, "version": loader.version(Path(checkout)), **answer}) + "\n")


if __name__ == "__main__":
    main()
