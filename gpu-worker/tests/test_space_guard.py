"""What a Space refuses, and what its images carry."""

from __future__ import annotations

import io
import math
import sys
from pathlib import Path

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

    image = guard.disclosed(Image.new("RGB", (8, 8)), "team/painter v1 on team/base", 7)
    with Image.open(io.BytesIO(encode_pil_to_bytes(image, format="png"))) as stored:
        assert "generated with artificial intelligence" in stored.text["Comment"]
        assert stored.text["DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
        assert "team/painter v1" in stored.text["Software"]


@pytest.mark.parametrize(("score", "kept"), [(0.0, True), (0.79, True), (0.8, False), (1.0, False), (math.nan, False)])
def test_an_image_is_withheld_from_the_threshold_on_and_where_the_score_is_none(score, kept):
    assert guard.withheld(Image.new("RGBA", (4, 4)), lambda _image: score) is not kept
