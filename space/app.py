"""A painter in one page: the base model and its fine-tuned hand, side by side, at a pinned revision.

Everything that may change from release to release stands in `config.json` beside this file; environment variables of
the same names win over it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

try:  # ZeroGPU lends a GPU for the length of one decorated call; elsewhere the decorator is not there.
    import spaces  # type: ignore[import-not-found]
except ImportError:
    spaces = None

import gradio as gr
import torch
from diffusers import FluxPipeline
from huggingface_hub import hf_hub_download
from PIL import Image

HERE = Path(__file__).resolve().parent
CONFIG: dict[str, Any] = json.loads((HERE / "config.json").read_text(encoding="utf-8"))
ADAPTER = "painter"
SEED_LIMIT = 2**31 - 1


def setting(name: str) -> str:
    """A value of config.json, unless the environment sets one of the same name."""
    return os.environ.get(name) or str(CONFIG[name])


MODEL_REPO = setting("MODEL_REPO")
MODEL_REVISION = setting("MODEL_REVISION")
BASE_REPO = setting("BASE_REPO")
BASE_REVISION = setting("BASE_REVISION")
SIZE = int(CONFIG["SIZE"])
STEPS = int(CONFIG["INFERENCE_STEPS"])
GUIDANCE = float(CONFIG["GUIDANCE"])
TRIGGER = str(CONFIG["TRIGGER"])


def device_and_type() -> tuple[str, torch.dtype]:
    """CUDA in bfloat16 where there is a GPU (or ZeroGPU lends one), else the CPU in float32."""
    if torch.cuda.is_available() or (spaces is not None and os.environ.get("SPACES_ZERO_GPU")):
        return "cuda", torch.bfloat16
    return "cpu", torch.float32


@lru_cache(maxsize=1)
def adapter() -> tuple[Path, str]:
    """The adapter's file at the pinned revision, and the sha256 of its bytes; any other bytes are refused."""
    path = Path(hf_hub_download(MODEL_REPO, str(CONFIG["WEIGHT_NAME"]), revision=MODEL_REVISION))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 != CONFIG["ADAPTER_SHA256"]:
        raise RuntimeError(
            f"Expected the adapter that was approved (sha256 {CONFIG['ADAPTER_SHA256']}), "
            f"got {sha256} from {MODEL_REPO} at {MODEL_REVISION}: this Space does not serve it."
        )
    return path, sha256


@lru_cache(maxsize=1)
def pipeline() -> FluxPipeline:
    """The base model with the adapter of the pinned release, loaded once."""
    device, dtype = device_and_type()
    path, _ = adapter()
    pipe = FluxPipeline.from_pretrained(BASE_REPO, revision=BASE_REVISION, torch_dtype=dtype)
    pipe.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name=ADAPTER)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def on_gpu(work: Any) -> Any:
    """Asks ZeroGPU for a GPU during `work`; does nothing where there is no such service."""
    return work if spaces is None else spaces.GPU(duration=120)(work)


def paint_one(prompt: str, seed: int, strength: float) -> Image.Image:
    """One picture; strength 0 is the base alone."""
    pipe = pipeline()
    pipe.set_adapters([ADAPTER], adapter_weights=[strength])
    return pipe(
        prompt=prompt,
        max_sequence_length=min(512, pipe.tokenizer_2.model_max_length),
        width=SIZE,
        height=SIZE,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=torch.Generator("cpu").manual_seed(seed),
    ).images[0]


@on_gpu
def paint(prompt: str, seed: float, strength: float) -> tuple[Image.Image, Image.Image, str]:
    """The same prompt and seed twice: by the base, and with the style."""
    prompt = prompt.strip()
    if not prompt:
        raise gr.Error("Please write what the picture should show.")
    number = int(seed) % (SEED_LIMIT + 1)
    styled = prompt if TRIGGER.lower() in prompt.lower() else f"{prompt}, {TRIGGER}"
    started = time.monotonic()
    with torch.inference_mode():
        base = paint_one(prompt, number, 0.0)
        painted = paint_one(styled, number, float(strength))
    seconds = time.monotonic() - started
    return base, painted, f"Seed {number} · strength {strength:g} · {seconds:.1f} s · “{styled}”"


def served() -> dict[str, str]:
    """What this Space serves, for smoke tests and for the curious: revision and sha256 of what is really loaded."""
    path, sha256 = adapter()
    return {
        "model": MODEL_REPO,
        "revision": path.parent.name,
        "tag": str(CONFIG["MODEL_TAG"]),
        "adapterSha256": sha256,
        "base": BASE_REPO,
        "baseRevision": BASE_REVISION,
    }


def samples() -> list[tuple[str, str]]:
    """Pictures of the standard sample set with their prompts."""
    listed = [(HERE / s["image"], s["prompt"]) for s in CONFIG["SAMPLES"]]
    return [(str(path), prompt) for path, prompt in listed if path.is_file()]


STYLE = """
.gradio-container { max-width: 1080px !important; margin: 0 auto !important; }
#title h1 { font-family: Georgia, 'Iowan Old Style', 'Times New Roman', serif; font-weight: 400; font-size: 2.4rem; letter-spacing: -.01em; margin-bottom: .1em; }
#title p { opacity: .8; max-width: 60ch; }
#notice { font-size: .82rem; opacity: .8; }
"""


def build() -> gr.Blocks:
    """The page."""
    with gr.Blocks(title=str(CONFIG["TITLE"])) as page:
        gr.Markdown(f"# {CONFIG['TITLE']}\n\n{CONFIG['SUBTITLE']}", elem_id="title")
        with gr.Row():
            prompt = gr.Textbox(
                label="What should the picture show?",
                placeholder="a river in spring, poplars along the bank",
                value=CONFIG["PROMPTS"][0] if CONFIG["PROMPTS"] else "",
                lines=2,
                max_length=500,
                scale=5,
                autofocus=True,
            )
            button = gr.Button("Paint", variant="primary", scale=1, min_width=120)
        with gr.Row():
            strength = gr.Slider(0, 1.5, value=1, step=0.05, label="Style strength", info="0 is the base model alone")
            seed = gr.Number(value=0, precision=0, minimum=0, maximum=SEED_LIMIT, label="Seed", info="Same seed, same picture")
        with gr.Row():
            before = gr.Image(label="Base model", interactive=False, format="png")
            after = gr.Image(label="With the style", interactive=False, format="png")
        note = gr.Markdown()
        inputs, outputs = [prompt, seed, strength], [before, after, note]
        button.click(paint, inputs, outputs, api_name="paint", concurrency_limit=1)
        prompt.submit(paint, inputs, outputs, api_name=False, concurrency_limit=1)
        if CONFIG["PROMPTS"]:
            gr.Examples([[p] for p in CONFIG["PROMPTS"]], [prompt], label="Try one of these")
        if samples():
            gr.Gallery(samples(), label="From the standard sample set that judged this release", columns=4, object_fit="contain", interactive=False)
        gr.Markdown(str(CONFIG["NOTICE"]), elem_id="notice")
        gr.api(served, api_name="served")
    return page


if __name__ == "__main__":
    # A Space that runs can paint; and ZeroGPU wants the weights on `cuda` before the first call.
    pipeline()
    build().queue(max_size=20).launch(css=STYLE, theme=gr.themes.Soft(primary_hue="amber", neutral_hue="stone"))
