"""Models that describe pictures, from local folders: BLIP, and models that are asked in a chat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from plein_air.devices import half_dtype, prepare_torch
from plein_air.errors import Stopped, TrainerError
from plein_air.evaluation.models import ModelFolder, load_safely, read_config
from plein_air.session import loaded_components

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_BLIP = "BlipForConditionalGeneration"


@dataclass(frozen=True)
class Captioner:
    """A loaded model: pictures, a question and the most tokens of an answer in, answers out."""

    kind: Literal["blip", "chat"]
    describe: Callable[[Sequence[Image], str, int], list[str]]


def open_captioner(folder: ModelFolder) -> Captioner:
    """The session's captioner of this folder; what is neither a BLIP nor a model for a chat about pictures is refused."""
    loaded = loaded_components(f"captioner {Path(folder.path).resolve()}")
    if "captioner" not in loaded:
        with refusing(folder, "one that does not load"):
            loaded["captioner"] = _load(folder)
    return loaded["captioner"]


@contextmanager
def refusing(folder: ModelFolder, got: str) -> Iterator[None]:
    """Turns what a repository's own files bring about into a refusal; what a machine does to it stays as it is."""
    try:
        yield
    except (TrainerError, Stopped, RuntimeError, MemoryError):
        # torch reports a full memory and a broken device as RuntimeError: another attempt may have more luck.
        raise
    except Exception as error:
        folder.refuse(f"{got}: {type(error).__name__}: {str(error)[:300]}")


def _load(folder: ModelFolder) -> Captioner:
    config = read_config(folder)
    kind, classes = config.get("model_type"), config.get("architectures") or []
    if kind == "blip":
        if _BLIP not in classes:
            folder.refuse(
                f"a BLIP for something else ({', '.join(classes) or 'no architectures named'}); {_BLIP} writes"
            )
        return _open_blip(folder)

    from transformers import AutoModelForImageTextToText
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    if kind not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        own = ", and code of its own, which is never run" if "auto_map" in config else ""
        folder.refuse(
            f"a model of type {kind!r}{own}; {_BLIP} or one that transformers knows for image-text-to-text is needed"
        )
    return _open_chat(folder, AutoModelForImageTextToText)


def _processor(folder: ModelFolder) -> Any:
    from transformers import AutoProcessor

    try:
        return AutoProcessor.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError, KeyError, TypeError) as error:
        folder.refuse(f"no processor that can be used here: {error}")


def _answers(model: Any, inputs: Any, max_tokens: int) -> torch.Tensor:
    """Token ids (n, length) of the likeliest next token each time, whatever the repository's own settings are."""
    import torch

    moved = inputs.to(model.device, model.dtype)
    with torch.inference_mode():
        return model.generate(
            **moved, max_new_tokens=max_tokens, do_sample=False, num_beams=1, num_return_sequences=1
        )  # fmt: skip


def _open_blip(folder: ModelFolder) -> Captioner:
    import transformers

    model = load_safely(folder, getattr(transformers, _BLIP), half_dtype(prepare_torch()))
    processor = _processor(folder)

    def describe(pictures: Sequence[Image], _prompt: str, max_tokens: int) -> list[str]:
        inputs = processor(images=list(pictures), return_tensors="pt")
        return processor.batch_decode(_answers(model, inputs, max_tokens), skip_special_tokens=True)

    return Captioner("blip", describe)


def _open_chat(folder: ModelFolder, model_class: Any) -> Captioner:
    processor = _processor(folder)
    if getattr(processor, "chat_template", None) is None or not hasattr(processor, "tokenizer"):
        folder.refuse("a processor without a chat template; a model that can be asked is needed")
    model = load_safely(folder, model_class, half_dtype(prepare_torch()))
    # Answers are read from one place on, so that what is filled up must stand before the questions.
    processor.tokenizer.padding_side = "left"
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token

    def describe(pictures: Sequence[Image], prompt: str, max_tokens: int) -> list[str]:
        chats = [
            [{"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": prompt}]}]
            for picture in pictures
        ]
        inputs = processor.apply_chat_template(
            chats, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
            processor_kwargs={"padding": True},
        )  # fmt: skip
        asked = inputs["input_ids"].shape[1]
        return processor.batch_decode(_answers(model, inputs, max_tokens)[:, asked:], skip_special_tokens=True)

    return Captioner("chat", describe)
