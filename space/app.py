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
from random import randrange
from typing import Any

try:  # ZeroGPU lends a GPU for the length of one decorated call; elsewhere the decorator is not there.
    import spaces  # type: ignore[import-not-found]
except ImportError:
    spaces = None

import gradio as gr
import torch
from diffusers import FluxPipeline
from guard import (
    PROMPT_LIMIT,
    SEED_LIMIT,
    STRENGTH_LIMIT,
    WITHHELD,
    Gate,
    Refused,
    checked,
    content_filter,
    described,
    disclosed,
    share_fairly,
    withheld,
)
from huggingface_hub import hf_hub_download
from PIL import Image
from starlette.middleware import Middleware

HERE = Path(__file__).resolve().parent
CONFIG: dict[str, Any] = json.loads((HERE / "config.json").read_text(encoding="utf-8"))
ADAPTER = "painter"
PROGRESS = gr.Progress()


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
DISCLOSURE = str(CONFIG["DISCLOSURE"])
"""That images are made with AI, on the page and in each image's metadata."""


def device_and_type() -> tuple[str, torch.dtype]:
    """CUDA in bfloat16 where there is a GPU (or ZeroGPU lends one), else the CPU in float32."""
    if torch.cuda.is_available() or (
        spaces is not None and os.environ.get("SPACES_ZERO_GPU")
    ):
        return "cuda", torch.bfloat16
    return "cpu", torch.float32


@lru_cache(maxsize=1)
def adapter() -> tuple[Path, str]:
    """The adapter's file at the pinned revision, and the sha256 of its bytes; any other bytes are refused."""
    path = Path(
        hf_hub_download(MODEL_REPO, str(CONFIG["WEIGHT_NAME"]), revision=MODEL_REVISION)
    )
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
    pipe = FluxPipeline.from_pretrained(
        BASE_REPO, revision=BASE_REVISION, torch_dtype=dtype, use_safetensors=True
    )
    pipe.load_lora_weights(
        str(path.parent), weight_name=path.name, adapter_name=ADAPTER
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def on_gpu(work: Any) -> Any:
    """Asks ZeroGPU for a GPU during `work`; does nothing where there is no such service."""
    return work if spaces is None else spaces.GPU(duration=120)(work)


@lru_cache(maxsize=1)
def unsafe_score() -> Any:
    """The content filter; None where the release's license does not ask for one and its owner wants none."""
    return content_filter() if CONFIG["FILTER"] else None


def paint_one(prompt: str, seed: int, strength: float, on_step: Any) -> Image.Image:
    """One picture; strength 0 is the base alone."""
    pipe = pipeline()
    pipe.set_adapters([ADAPTER], adapter_weights=[strength])

    def step(_pipe: Any, number: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        on_step(number + 1)
        return tensors

    image = pipe(
        prompt=prompt,
        max_sequence_length=min(512, pipe.tokenizer_2.model_max_length),
        width=SIZE,
        height=SIZE,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=torch.Generator("cpu").manual_seed(seed),
        callback_on_step_end=step,
    ).images[0]
    score = unsafe_score()
    if score is not None and withheld(image, score):
        raise gr.Error(WITHHELD)
    return disclosed(image, DISCLOSURE, f"{MODEL_REPO} {CONFIG['MODEL_TAG']} on {BASE_REPO}", seed)


@on_gpu
def paint_pair(prompt: str, seed: int, strength: float, progress: Any) -> tuple[Image.Image, Image.Image, str]:
    """The same prompt and seed twice: by the base, and with the style. Strength 0 is the base's picture again."""
    styled = prompt if TRIGGER.lower() in prompt.lower() else f"{prompt}, {TRIGGER}"
    started = time.monotonic()
    total = STEPS * (2 if strength > 0 else 1)
    with torch.inference_mode():
        base = paint_one(prompt, seed, 0.0, lambda done: progress((done, total), desc="The base model"))
        painted = base
        if strength > 0:
            painted = paint_one(
                styled, seed, strength, lambda done: progress((STEPS + done, total), desc="With the style")
            )
    shown = styled if strength > 0 else prompt
    return base, painted, described(shown, seed, strength, time.monotonic() - started)


def paint(
    prompt: str, seed: float, strength: float, progress: gr.Progress = PROGRESS
) -> tuple[Image.Image, Image.Image, str]:
    """Checks a request before a GPU is asked for, and answers it."""
    try:
        request = checked(prompt, seed, strength)
    except Refused as error:
        raise gr.Error(str(error)) from error
    return paint_pair(*request, progress)


def served() -> dict[str, Any]:
    """What this Space serves, for its trial and for the curious: revision and sha256 of what is really loaded."""
    path, sha256 = adapter()
    return {
        "model": MODEL_REPO,
        "revision": path.parent.name,
        "tag": str(CONFIG["MODEL_TAG"]),
        "adapterSha256": sha256,
        "base": BASE_REPO,
        "baseRevision": BASE_REVISION,
        "filter": unsafe_score() is not None,
    }


def samples() -> list[tuple[str, str]]:
    """Pictures of the standard sample set with their prompts."""
    listed = [(HERE / s["image"], s["prompt"]) for s in CONFIG["SAMPLES"]]
    return [(str(path), prompt) for path, prompt in listed if path.is_file()]


FONT = ("Iowan Old Style", "Palatino Linotype", "Georgia", "serif")
"""On every reader's machine already: the page asks no other server for type."""

STYLE = """
.gradio-container { max-width: 1180px !important; margin: 0 auto !important; padding: 0 20px !important; }
#title { padding: 1.6rem 0 .4rem; }
#title h1 { font-weight: 400; font-size: clamp(2.2rem, 6vw, 3.4rem); letter-spacing: -.02em; line-height: 1.05; margin: 0 0 .5rem; }
#title p { font-size: 1.05rem; max-width: 62ch; color: var(--body-text-color-subdued); }
#ask { align-items: stretch; }
#ask textarea { font-size: 1.15rem; line-height: 1.45; }
#buttons { justify-content: stretch; }
#buttons button { flex: 1; font-size: 1.1rem; }
.frame { background: var(--mat) !important; padding: 36px 18px 18px !important; box-shadow: 0 1px 2px rgb(0 0 0 / .12), 0 8px 24px rgb(0 0 0 / .07); }
.frame .image-frame, .frame .image-frame img { width: 100%; height: 100%; aspect-ratio: 1; object-fit: contain; }
@media (max-width: 640px) {
  #ask { flex-direction: column; }
  #buttons { flex-direction: row; min-width: 0 !important; }
  #samples .grid-container { grid-template-columns: repeat(2, 1fr) !important; }
}
#note { text-align: center; font-style: italic; color: var(--body-text-color-subdued); }
#samples { padding-top: 1rem; }
#samples .grid-wrap { max-height: none; min-height: 0; height: auto; overflow: visible; }
#samples .gallery-item button { border-radius: 2px; }
#notice { font-size: .85rem; line-height: 1.5; color: var(--body-text-color-subdued); border-top: 1px solid var(--border-color-primary); padding-top: 1rem; margin-top: 1.5rem; }
:root { --mat: #fdfcf9; }
.dark { --mat: #26231f; }
"""


def theme() -> gr.themes.Base:
    """Paper, ink and one ultramarine; by night the same on a dark wall. Every pair of colors is readable (WCAG AA)."""
    ink, blue = "#2a2622", "#36498f"
    return gr.themes.Base(
        primary_hue="indigo", neutral_hue="stone", font=FONT, radius_size="sm"
    ).set(
        body_background_fill="#f4f0e8",
        body_background_fill_dark="#191715",
        body_text_color=ink,
        body_text_color_dark="#eee8dd",
        body_text_color_subdued="#5d554c",
        body_text_color_subdued_dark="#b9afa1",
        background_fill_primary="#fdfcf9",
        background_fill_primary_dark="#211f1c",
        background_fill_secondary="#f4f0e8",
        background_fill_secondary_dark="#191715",
        block_background_fill="#fdfcf9",
        block_background_fill_dark="#211f1c",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_info_text_color="#5d554c",
        block_info_text_color_dark="#b9afa1",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_border_width_dark="0px",
        block_label_text_color="#5d554c",
        block_label_text_color_dark="#b9afa1",
        block_title_text_color=ink,
        block_title_text_color_dark="#eee8dd",
        block_title_background_fill="transparent",
        block_title_background_fill_dark="transparent",
        input_background_fill="#ffffff",
        input_background_fill_dark="#2b2824",
        input_border_color="#cfc6b8",
        input_border_color_dark="#4a443c",
        input_border_width="1px",
        input_placeholder_color="#756c61",
        input_placeholder_color_dark="#a0968a",
        link_text_color=blue,
        link_text_color_dark="#aebcf5",
        slider_color=blue,
        slider_color_dark="#aebcf5",
        button_primary_background_fill=blue,
        button_primary_background_fill_dark=blue,
        button_primary_background_fill_hover="#283873",
        button_primary_background_fill_hover_dark="#4a5fb0",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_secondary_background_fill="#e6dfd2",
        button_secondary_background_fill_dark="#37322c",
        button_secondary_text_color=ink,
        button_secondary_text_color_dark="#eee8dd",
    )


def frame(label: str, alt: str) -> gr.Image:
    """A picture on its mat; two of them stand side by side where there is room, one below the other on a phone."""
    return gr.Image(
        label=label,
        alt_text=alt,
        interactive=False,
        format="png",
        min_width=280,
        elem_classes="frame",
        buttons=["download", "fullscreen"],
    )


def build() -> gr.Blocks:
    """The page: what to paint, the two pictures, how, and what the release painted when it was judged."""
    with gr.Blocks(title=str(CONFIG["TITLE"])) as page:
        gr.Markdown(f"# {CONFIG['TITLE']}\n\n{CONFIG['SUBTITLE']}", elem_id="title")
        with gr.Row(elem_id="ask"):
            prompt = gr.Textbox(
                label="What should the picture show?",
                placeholder="a river in spring, poplars along the bank",
                value=CONFIG["PROMPTS"][0] if CONFIG["PROMPTS"] else "",
                lines=3,
                max_length=PROMPT_LIMIT,
                scale=5,
                autofocus=True,
            )
            with gr.Column(scale=1, min_width=150, elem_id="buttons"):
                button = gr.Button("Paint", variant="primary")
                another = gr.Button("Another seed")
        if CONFIG["PROMPTS"]:
            gr.Examples(
                [[p] for p in CONFIG["PROMPTS"]], [prompt], label="Try one of these"
            )
        with gr.Row():
            before = frame("The base model", "The prompt as the base model paints it")
            after = frame(
                "With the style", "The same prompt and seed, painted with the style"
            )
        note = gr.HTML("", elem_id="note")
        with gr.Row():
            strength = gr.Slider(
                0,
                STRENGTH_LIMIT,
                value=1,
                step=0.05,
                label="Style strength",
                info="0 is the base model alone",
                min_width=280,
            )
            seed = gr.Number(
                value=0,
                precision=0,
                minimum=0,
                maximum=SEED_LIMIT,
                label="Seed",
                info="The same seed gives the same picture",
                min_width=280,
            )
        inputs, outputs = [prompt, seed, strength], [before, after, note]
        button.click(paint, inputs, outputs, api_name="paint", concurrency_limit=1)
        prompt.submit(paint, inputs, outputs, api_name=False, concurrency_limit=1)
        another.click(lambda: randrange(SEED_LIMIT), None, seed, api_name=False).then(
            paint, inputs, outputs, api_name=False, concurrency_limit=1
        )
        if samples():
            gr.Gallery(
                samples(),
                label="Samples that judged this release",
                columns=4,
                object_fit="cover",
                interactive=False,
                elem_id="samples",
                buttons=[],
            )
        gr.Markdown(f"{DISCLOSURE}\n\n{CONFIG['NOTICE']}", elem_id="notice")
        gr.api(served, api_name="served")
    return page


if __name__ == "__main__":
    # A Space that runs can paint; and ZeroGPU wants the weights on `cuda` before the first call.
    pipeline()
    # Fails closed: where a filter is asked for and cannot be loaded, nothing is served.
    unsafe_score()
    page = build().queue(max_size=20)
    share_fairly(page._queue)
    page.launch(css=STYLE, theme=theme(), app_kwargs={"middleware": [Middleware(Gate)]})
