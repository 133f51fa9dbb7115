"""The exported adapter in the programs that people load it with, by their own code: keys, layers, strength.

    python bench/loaders/matrix.py --out FOLDER --environment diffusers=PYTHON --environment comfyui=PYTHON:CHECKOUT …

An environment is an interpreter in which the tool's code can be imported, with torch and safetensors; most need a checkout,
which is not part of this project (a file COMMIT in it names the commit where it is no git repository). The same tool may be
given several times: `diffusers` once a version. For each of 3 presets × 3 ranks and alphas: how many of the file's tensors
the tool took, and the factor of its change of every layer beside B A alpha / rank; 1 is right.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
from adapters import Case, cases, expected, write

FILES = {"diffusers": "pytorch_lora_weights.safetensors", "kohya": "kohya_lora_weights.safetensors"}
SHAPE_OF = {"invokeai": "wide", "nunchaku": "wide"}
"""Loaders that know FLUX.1-dev's width only; diffusers' loader knows no other for kohya files."""
TOLERANCE = 1e-3


def main() -> None:
    """Prints the table; ends with 1 where a cell is neither right nor explained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--environment", action="append", required=True, metavar="TOOL=PYTHON[:CHECKOUT]")
    parser.add_argument("--formats", default="diffusers,kohya")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for environment in options.environment:
        tool, _, rest = environment.partition("=")
        python, _, checkout = rest.partition(":")
        for kind in options.formats.split(","):
            rows += measured(tool, python, checkout or ".", kind, options.out)
    (options.out / "matrix.json").write_text(json.dumps(rows, indent=1) + "\n")
    sys.stdout.write(table(rows))


def measured(tool: str, python: str, checkout: str, kind: str, out: Path) -> list[dict[str, Any]]:
    """One row a case."""
    shape = "wide" if kind == "kohya" and tool == "diffusers" else SHAPE_OF.get(tool, "small")
    if tool == "peft" and kind == "kohya":
        return []
    listed: list[tuple[Case, Path]] = []
    for case in cases(shape):
        folder = out / case.folder
        if not (folder / FILES[kind]).is_file():
            write(case, folder)
        listed.append((case, folder / FILES[kind]))
    plan = out / f"{tool}-{kind}.json"
    plan.write_text(json.dumps([{"file": str(f.resolve()), "shape": c.shape} for c, f in listed]))
    command = [python, str(Path(__file__).with_name("probe.py")), tool, checkout, str(plan), str(out)]
    ran = subprocess.run(command, capture_output=True, text=True)
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    if len(lines) != len(listed):
        raise SystemExit(f"{tool} ({kind}) ended early:\n{ran.stderr[-2000:]}")
    return [row(tool, kind, case, line, out) for (case, _), line in zip(listed, lines, strict=True)]


def row(tool: str, kind: str, case: Case, line: dict[str, Any], out: Path) -> dict[str, Any]:
    """The answer of a tool beside what was trained."""
    about = {"tool": tool, "version": line["version"], "file": kind, "case": case.name}
    if line["error"] is not None:
        return {**about, "tried": 0, "loaded": 0, "layers": 0, "of": 0, "factors": None, "error": line["error"]}
    found = torch.load(out / f"{tool}-{line['index']}.pt")
    wanted = expected(case, set(found))
    factors = [
        float((found[name] * change).sum() / (change * change).sum())
        for name, change in wanted.items()
        if name in found
    ]
    off = [name for name, change in wanted.items() if name in found and not close(found[name], change)]
    extra = [name for name, change in found.items() if name not in wanted and bool(change.abs().max() > 0)]
    return {
        **about,
        "tried": line["tried"],
        "loaded": line["loaded"],
        "layers": len(factors),
        "of": len(wanted),
        "factors": [min(factors), max(factors)] if factors else None,
        "error": f"{len(off)} layers changed otherwise" if off else f"{len(extra)} further layers" if extra else None,
    }


def close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether a change is the wanted one up to a factor near 1."""
    return float((found - wanted).norm() / wanted.norm()) < TOLERANCE


def table(rows: list[dict[str, Any]]) -> str:
    """One line a tool, version and file."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in rows:
        groups.setdefault((entry["version"], entry["file"]), []).append(entry)
    lines = ["| tool | file | adapters right | tensors taken | layers | factor | otherwise |", "|" + "---|" * 7]
    for (version, kind), entries in groups.items():
        right = sum(entry["error"] is None and entry["layers"] == entry["of"] > 0 for entry in entries)
        factors = [value for entry in entries for value in entry["factors"] or []]
        span = f"{min(factors):.4f} … {max(factors):.4f}" if factors else ""
        sums = {key: sum(entry[key] for entry in entries) for key in ("tried", "loaded", "layers", "of")}
        errors = sorted({entry["error"] for entry in entries if entry["error"] is not None})
        lines.append(
            f"| {version} | {kind} | {right} of {len(entries)} | {sums['loaded']} of {sums['tried']} "
            f"| {sums['layers']} of {sums['of']} | {span} | {'; '.join(errors)[:160]} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
