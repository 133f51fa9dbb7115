"""A Space small enough for tests: the same API as `space/app.py`, its pictures those that the release keeps.

`MODE` in mode.txt says what is wrong with it: ok, crash, hang, blank, small, plain (the base's picture twice), other
(says that it serves another revision), silent (no API), dies (at the first request to paint), drifts (the second
slice's picture is a third the base's), unfiltered (looks at no picture), undisclosed (its pictures do not say how
they were made).
"""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import gradio as gr
from huggingface_hub import hf_hub_download
from PIL import Image

HERE = Path(__file__).resolve().parent
CONFIG = json.loads((HERE / "config.json").read_text())
MODE = (HERE / "mode.txt").read_text().strip()


def fetch(name: str) -> Path:
    return Path(hf_hub_download(CONFIG["MODEL_REPO"], name, revision=CONFIG["MODEL_REVISION"]))


def served() -> dict[str, Any]:
    path = fetch(CONFIG["WEIGHT_NAME"])
    revision = "0" * 40 if MODE == "other" else path.parent.name
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    about = {"model": CONFIG["MODEL_REPO"], "revision": revision, "tag": CONFIG["MODEL_TAG"], "adapterSha256": sha256}
    return {**about, "filter": CONFIG["FILTER"] and MODE != "unfiltered"}


def said(image: Image.Image) -> Image.Image:
    if MODE != "undisclosed":
        image.info["Comment"] = CONFIG["DISCLOSURE"]
    return image


def paint(prompt: str, seed: float, strength: float) -> tuple[Image.Image, Image.Image, str]:
    side = CONFIG["SIZE"] // 2 if MODE == "small" else CONFIG["SIZE"]
    if MODE == "dies":
        print("out of paint", flush=True)
        os._exit(1)
    if MODE == "blank":
        return said(Image.new("RGB", (side, side))), said(Image.new("RGB", (side, side))), ""
    requests = json.loads(fetch("smoke/requests.json").read_text())
    index = next(i for i, r in enumerate(requests) if (r["prompt"], r["seed"]) == (prompt, seed))
    names = (f"smoke/{requests[index]['id']}-{kind}.png" for kind in ("base", "painted"))
    base, painted = (Image.open(fetch(name)).convert("RGB").resize((side, side)) for name in names)
    if MODE == "drifts" and index == 1:
        painted = Image.blend(painted, base, 1 / 3)
    return said(base), said(base if MODE == "plain" else painted), ""


if MODE == "crash":
    raise RuntimeError("no paint left")
if MODE == "hang":
    time.sleep(600)
with gr.Blocks() as page:
    prompt, seed, strength = gr.Textbox(), gr.Number(), gr.Number()
    outputs = [gr.Image(format="png"), gr.Image(format="png"), gr.Markdown()]
    if MODE != "silent":
        gr.Button().click(paint, [prompt, seed, strength], outputs, api_name="paint")
        gr.api(served, api_name="served")
page.launch(server_port=int(os.environ["GRADIO_SERVER_PORT"]))
