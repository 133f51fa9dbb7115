"""Captions by small random models in the formats that real ones are published in."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import small_captioners
import small_models
from painted_sets import flat, strokes
from plein_air import session
from plein_air.captioning import caption as captioning
from plein_air.errors import Stopped, TrainerError

PROMPT = "Describe the garden . Begin with a tree"


class Told:
    """An emitter that keeps the progress, and may stop the request at the first picture."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.progresses: list[tuple[str, int, int]] = []
        self._stop = stop

    def progress(self, stage: str, done: int, total: int) -> None:
        self.progresses.append((stage, done, total))
        if self._stop is not None and done > 0:
            self._stop.set()


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_captioners.blip(tmp_path_factory.mktemp("blip"))


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_captioners.chat(tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    folder = tmp_path_factory.mktemp("pictures")
    drawn = [Image.fromarray(image) if not isinstance(image, Image.Image) else image
             for image in [*(strokes(i) for i in range(3)), *(flat(i) for i in range(2))]]  # fmt: skip
    for number, picture in enumerate(drawn):
        picture.resize((80 + 16 * number, 64)).save(folder / f"{number}.png")
    return [{"id": f"p{number}", "path": str(folder / f"{number}.png")} for number in range(len(drawn))]


def described(model: Path, pictures: list[dict[str, str]], emit: Any = None, stop: Any = None, **changes: Any) -> Any:
    params = {"model": str(model), "repo": "some/model", "commit": "c" * 40, "pictures": pictures, "prompt": PROMPT,
              "maxTokens": 12, "batchSize": 2, **changes}  # fmt: skip
    return captioning.run(params, emit or Told(), stop or threading.Event())


def texts(result: Any) -> list[str]:
    return [caption["text"] for caption in result["captions"]]


def test_a_blip_says_what_transformers_says_for_each_picture(blip: Path, pictures: list[dict[str, str]]) -> None:
    from transformers import AutoProcessor, BlipForConditionalGeneration

    result = described(blip, pictures)
    assert result["kind"] == "blip" and [c["id"] for c in result["captions"]] == [p["id"] for p in pictures]
    processor = AutoProcessor.from_pretrained(blip)
    model = BlipForConditionalGeneration.from_pretrained(blip).eval()
    for picture, text in zip(pictures, texts(result), strict=True):
        inputs = processor(images=Image.open(picture["path"]).convert("RGB"), return_tensors="pt")
        with torch.inference_mode():
            expected = model.generate(**inputs, max_new_tokens=12, do_sample=False)
        assert text == processor.decode(expected[0], skip_special_tokens=True).strip()
    assert len(set(texts(result))) > 1, "the pictures must matter"
    assert all(text for text in texts(result))


def test_a_model_that_chats_answers_the_question_alone(chat: Path, pictures: list[dict[str, str]]) -> None:
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    result = described(chat, pictures)
    assert result["kind"] == "chat"
    processor = AutoProcessor.from_pretrained(chat)
    model = LlavaForConditionalGeneration.from_pretrained(chat).eval()
    for picture, text in zip(pictures, texts(result), strict=True):
        asked = f"USER : <image> {PROMPT} ASSISTANT :"
        inputs = processor(images=Image.open(picture["path"]).convert("RGB"), text=asked, return_tensors="pt")
        with torch.inference_mode():
            expected = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        assert text == processor.decode(expected, skip_special_tokens=True).strip()
    assert len(set(texts(result))) > 1, "the pictures must matter"
    assert texts(described(chat, pictures, prompt="Begin with the sky")) != texts(result), "the question must matter"


def test_a_folder_laid_out_as_older_releases_are_says_the_same(
    blip: Path, pictures: list[dict[str, str]], tmp_path: Path
) -> None:
    older = tmp_path / "older"
    shutil.copytree(blip, older)
    settings = json.loads((older / "processor_config.json").read_text())
    (older / "processor_config.json").unlink()
    images = {**settings["image_processor"], "image_processor_type": "BlipImageProcessor"}
    (older / "preprocessor_config.json").write_text(json.dumps({**images, "processor_class": "BlipProcessor"}))
    # Position ids were buffers then, and a weight that two layers share was there once or twice.
    weights = load_file(older / "model.safetensors")
    words = weights["text_decoder.bert.embeddings.word_embeddings.weight"]
    weights["text_decoder.bert.embeddings.position_ids"] = torch.arange(64)[None]
    weights["text_decoder.cls.predictions.decoder.weight"] = words.clone()
    save_file(weights, older / "model.safetensors", metadata={"format": "pt"})
    assert texts(described(older, pictures)) == texts(described(blip, pictures))


@pytest.mark.parametrize("kind", ["blip", "chat"])
def test_the_same_request_gives_the_same_words_loaded_anew_or_warm(
    kind: str, request: pytest.FixtureRequest, pictures: list[dict[str, str]]
) -> None:
    model: Path = request.getfixturevalue(kind)
    warm = [described(model, pictures), described(model, pictures)]
    session.forget_all()
    torch.manual_seed(99)
    assert [*warm, described(model, pictures)] == [warm[0]] * 3


def test_sampling_that_a_repository_asks_for_is_not_done(
    blip: Path, pictures: list[dict[str, str]], tmp_path: Path
) -> None:
    wild = tmp_path / "wild"
    shutil.copytree(blip, wild)
    settings = json.loads((wild / "generation_config.json").read_text())
    (wild / "generation_config.json").write_text(json.dumps({**settings, "do_sample": True, "temperature": 9.0}))
    torch.manual_seed(5)
    assert texts(described(wild, pictures)) == texts(described(blip, pictures))


def test_no_more_words_are_written_than_asked_for(blip: Path, pictures: list[dict[str, str]]) -> None:
    assert max(len(text.split()) for text in texts(described(blip, pictures, maxTokens=3))) <= 3


def test_progress_is_told_for_every_batch_and_a_stop_is_heard_between_two(
    blip: Path, pictures: list[dict[str, str]]
) -> None:
    told = Told()
    described(blip, pictures, emit=told)
    assert told.progresses == [("loading the captioner", 0, 5), *(("captions", done, 5) for done in (2, 4, 5))]
    stop = threading.Event()
    stopped = Told(stop)
    with pytest.raises(Stopped):
        described(blip, pictures, emit=stopped, stop=stop)
    assert stopped.progresses[-1] == ("captions", 2, 5)


def test_pickles_are_never_loaded(blip: Path, pictures: list[dict[str, str]], tmp_path: Path) -> None:
    pickled = tmp_path / "pickled"
    shutil.copytree(blip, pickled)
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    with pytest.raises(TrainerError, match=r"only safetensors are loaded, never pickles \(dataset.captioner\)"):
        described(pickled, pictures)


def test_models_of_another_kind_are_refused_by_name(
    blip: Path, chat: Path, pictures: list[dict[str, str]], tmp_path: Path
) -> None:
    with pytest.raises(TrainerError, match=r"a model of type 'clip'; .* image-text-to-text is needed"):
        described(small_models.clip(tmp_path / "clip"), pictures)
    questions = tmp_path / "questions"
    shutil.copytree(blip, questions)
    config = json.loads((questions / "config.json").read_text())
    (questions / "config.json").write_text(json.dumps({**config, "architectures": ["BlipForQuestionAnswering"]}))
    with pytest.raises(TrainerError, match=r"a BLIP for something else \(BlipForQuestionAnswering\)"):
        described(questions, pictures)
    (questions / "config.json").write_text(json.dumps({"model_type": "other", "auto_map": {"AutoModel": "code.Model"}}))
    with pytest.raises(TrainerError, match="code of its own, which is never run"):
        described(questions, pictures)
    silent = tmp_path / "silent"
    shutil.copytree(chat, silent)
    for name in ("chat_template.jinja", "chat_template.json"):
        (silent / name).unlink(missing_ok=True)
    with pytest.raises(TrainerError, match="without a chat template"):
        described(silent, pictures)


def test_a_model_that_does_not_load_or_answer_is_refused_and_not_tried_for_ever(
    blip: Path, chat: Path, pictures: list[dict[str, str]], tmp_path: Path
) -> None:
    torn, mute = tmp_path / "torn", tmp_path / "mute"
    shutil.copytree(blip, torn)
    (torn / "model.safetensors").write_bytes((blip / "model.safetensors").read_bytes()[:5000])
    shutil.copytree(chat, mute)
    (mute / "chat_template.jinja").write_text("{{ raise_exception('no pictures here') }}")
    for model, got in (
        (torn, "got one that does not load"),
        (mute, "got one that describes no picture: .*no pictures"),
    ):
        with pytest.raises(TrainerError, match=got) as caught:
            described(model, pictures)
        assert caught.value.kind == "InvalidInput"


def test_a_picture_that_cannot_be_read_is_named(blip: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(TrainerError, match=r"Expected a picture at .*broken\.png") as caught:
        described(blip, [{"id": "p", "path": str(broken)}])
    assert caught.value.kind == "BadData"


def test_a_full_memory_names_the_setting_to_lower(
    blip: Path, pictures: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> list[str]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    captioner = captioning.open_captioner(
        captioning.ModelFolder("captions", "some/model", "c" * 40, str(blip), setting="dataset.captioner")
    )
    monkeypatch.setattr(captioning, "open_captioner", lambda _: type(captioner)("blip", full))
    with pytest.raises(TrainerError, match=r"lower dataset\.captioner\.batchSize") as caught:
        described(blip, pictures)
    assert caught.value.kind == "OutOfMemory"
