"""The check of a card, run small on a CPU: the very code that runs at full size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from process import SOURCES


def test_a_profile_is_measured_killed_and_resumed_and_the_page_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "plein_air.gpu_check", "--small", "--profiles", "a100", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(SOURCES)})
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "gpu-check.json").read_text())
    found = report["profiles"]["a100"]
    assert found["error"] is None
    assert found["resumedEqual"] is True
    assert found["validationImagesFailed"] is False
    measured = ("microStepSeconds", "heldOutSeconds", "validationImagesSeconds", "checkpointBytes",
                "encodeSecondsPerView", "sampleSecondsPerImage", "evaluateSecondsPerImage", "microStepFlops")  # fmt: skip
    assert all(found[name] > 0 for name in measured)
    page = (tmp_path / "gpu-check.md").read_text()
    assert page == done.stdout
    assert "| a100 |" in page
    assert "| equal |" in page


def test_an_adapter_that_differs_and_a_failure_are_on_the_page() -> None:
    from plein_air.gpu_check.page import page

    machine = {"name": "Some GPU", "vramBytes": 16_000_000_000, "ramBytes": 8_000_000_000, "versions": {"torch": "2"}}
    profiles = {"t4": {"resumedEqual": False, "error": None}, "l4": {"error": "RequestFailed: OutOfMemory"}}
    text = page({"date": "today", "small": False, "seconds": 1.0, "machine": machine, "profiles": profiles})
    assert "DIFFERS" in text
    assert "- l4: RequestFailed: OutOfMemory" in text


def test_micro_steps_of_flux_have_the_operations_of_their_shapes(tmp_path: Path) -> None:
    """At 512 px: about 2 x 11.9 billion weights' worth a token and attention, counted on the meta device."""
    from diffusers import FluxTransformer2DModel

    from plein_air.gpu_check.measure import micro_step_flops

    (tmp_path / "transformer").mkdir()
    import torch

    with torch.device("meta"):
        FluxTransformer2DModel(guidance_embeds=True).save_config(tmp_path / "transformer")
    training = {"resolution": 512, "gradientCheckpointing": True, "batchSize": 1}
    flops = micro_step_flops(tmp_path, training)
    # 1,536 tokens pass the blocks' linear layers: 19 double blocks of 36 and 38 single ones of 15 squares of 3,072 less norms.
    tokens, width = 1024 + 512, 3072
    linear = 2 * tokens * width**2 * (19 * 12 + 38 * 12)
    attention = 57 * 4 * tokens**2 * width
    assert 0.95 < flops / 3 / (linear + attention) < 1.1
