"""The figures as one page that a person can paste into an issue."""

from __future__ import annotations

from typing import Any

_COLUMNS: tuple[tuple[str, str], ...] = (
    ("s a micro-step", "microStepSeconds"),
    ("share of peak", "shareOfPeak"),
    ("peak VRAM", "peakVramBytes"),
    ("predicted", "predictedVramBytes"),
    ("held-out loss, s", "heldOutSeconds"),
    ("4 validation images, s", "validationImagesSeconds"),
    ("checkpoint", "checkpointBytes"),
    ("encode, s a view", "encodeSecondsPerView"),
    ("sample, s an image", "sampleSecondsPerImage"),
    ("evaluate, s an image", "evaluateSecondsPerImage"),
    ("killed and resumed", "resumedEqual"),
)


def page(report: dict[str, Any]) -> str:
    """Markdown: the machine, a row a profile, what failed."""
    machine = report["machine"]
    vram = "no accelerator" if machine["vramBytes"] is None else f"{machine['vramBytes'] / 1e9:.1f} GB"
    lines = [
        f"# GPU check: {machine['name']}",
        "",
        f"{report['date']} · {vram} · {machine['ramBytes'] / 1e9:.0f} GB RAM · "
        + ", ".join(f"{name} {version}" for name, version in sorted(machine["versions"].items())),
        "",
        f"FLUX.1-dev of random weights at {'small' if report['small'] else 'full'} size; {report['seconds']:.0f} s in all.",
        "",
        "| profile | " + " | ".join(title for title, _ in _COLUMNS) + " |",
        "|" + "---|" * (len(_COLUMNS) + 1),
    ]
    for name, found in report["profiles"].items():
        lines.append(f"| {name} | " + " | ".join(_cell(key, found.get(key)) for _, key in _COLUMNS) + " |")
    failed = [f"- {name}: {found['error']}" for name, found in report["profiles"].items() if found["error"]]
    return "\n".join([*lines, *(["", "Failed:", *failed] if failed else []), ""])


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if key == "resumedEqual":
        return "equal" if value else "DIFFERS"
    if key.endswith("Bytes"):
        return f"{value / 1e9:.2f} GB" if value >= 1e8 else f"{value / 1e6:.1f} MB"
    return f"{value:.1%}" if key == "shareOfPeak" else f"{value:.3g}"
