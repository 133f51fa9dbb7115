"""Models behind style, adherence, copying and preference, from local folders: safetensors only, no code from a repository.

Every loader takes the files of a model repository as its authors published them and refuses everything else by name.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from plein_air.atomic_io import sha256_file
from plein_air.devices import half_dtype, prepare_torch
from plein_air.errors import TrainerError
from plein_air.evaluation.features import Encoder, square

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from plein_air.evaluation.intervals import Floats

    Picture = NDArray[np.uint8]
    Step = Callable[[int], None] | None

_BATCH = 16
IMAGENET_PIXELS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP_PIXELS = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True)
class ModelFolder:
    """A model's files on this machine, and where they come from."""

    role: str
    repo: str
    commit: str
    path: str
    setting: str = ""
    """Field of the configuration that names it; empty: the role's field of `evaluation.models`."""

    def weights_sha256(self) -> str:
        """Identity of the weights: the file's hash, or the hash of the names and hashes of all shards."""
        files = sorted(Path(self.path).glob("*.safetensors"))
        if not files:
            self.refuse("no *.safetensors there: only safetensors are loaded, never pickles")
        hashes = [(file.name, sha256_file(file)) for file in files]
        return hashes[0][1] if len(hashes) == 1 else hashlib.sha256(json.dumps(hashes).encode()).hexdigest()

    def refuse(self, got: str) -> NoReturn:
        """Says what cannot be used, and which field of the configuration names it."""
        setting = self.setting or f"evaluation.models.{self.role}"
        raise TrainerError(
            "InvalidInput",
            f"Expected a model for {self.role!r} in {self.repo}, got {got} ({setting}).",
            {"field": setting.removeprefix("evaluation."), "repo": self.repo},
        )


def transformers_model(folder: ModelFolder, kind: str, dtype: Any = None) -> Any:
    """A transformers class from a local folder; a repository of another class is refused."""
    import transformers

    model_class = getattr(transformers, kind)
    found = read_config(folder).get("model_type")
    if found != model_class.config_class.model_type:
        folder.refuse(f"a model of type {found!r}; {model_class.config_class.model_type!r} is needed")
    return load_safely(folder, model_class, dtype)


def read_config(folder: ModelFolder) -> dict[str, Any]:
    """`config.json` of a folder that holds safetensors."""
    folder.weights_sha256()
    try:
        config = json.loads((Path(folder.path) / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        folder.refuse(f"no config.json that can be read: {error}")
    return config if isinstance(config, dict) else {}


def load_safely(folder: ModelFolder, model_class: Any, dtype: Any = None) -> Any:
    """A frozen model of a transformers class from its own files: safetensors, whole, and no code of the repository's."""
    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "trust_remote_code": False}
    model, report = model_class.from_pretrained(folder.path, output_loading_info=True, dtype=dtype, **options)
    if report["missing_keys"]:
        folder.refuse(f"weights without {', '.join(sorted(report['missing_keys'])[:3])}")
    return model.eval().requires_grad_(False).to(prepare_torch())


def forget() -> None:
    """Gives a model's memory back before the next is loaded."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def normalized(batch: NDArray[np.float32], statistics: tuple[tuple[float, ...], tuple[float, ...]]) -> torch.Tensor:
    """Pictures (n, side, side, 3) of 0 to 1 as the network wants them: (n, 3, side, side), mean 0, deviation 1."""
    import torch

    device = prepare_torch()
    pixels = torch.from_numpy(batch).permute(0, 3, 1, 2).to(device)
    mean, deviation = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in statistics)
    return (pixels - mean) / deviation


def named_encoder(
    folder: ModelFolder, dimensions: int, side: int, encode: Callable[[NDArray[np.float32]], Floats]
) -> Encoder:
    """An encoder that a report names by its repository and commit."""
    return Encoder(
        folder.role, f"{folder.repo}@{folder.commit[:12]}", folder.weights_sha256(), dimensions, side, encode
    )


def open_dinov2(folder: ModelFolder) -> Encoder:
    """DINOv2's class token after the last layer norm."""
    import torch

    model = transformers_model(folder, "Dinov2Model")
    # Its positions are interpolated to any multiple of the patch; 224 is what it is usually measured at.
    side = max(model.config.patch_size, 224 // model.config.patch_size * model.config.patch_size)

    def encode(batch: NDArray[np.float32]) -> Floats:
        with torch.inference_mode():
            return model(pixel_values=normalized(batch, IMAGENET_PIXELS)).pooler_output.double().cpu().numpy()

    return named_encoder(folder, model.config.hidden_size, side, encode)


@dataclass(frozen=True)
class TextImage:
    """A CLIP: unit vectors of pictures and of words in one space."""

    pictures: Encoder
    texts: Callable[[Sequence[str]], Floats]
    scale: float
    """What a preference model multiplies a cosine by before it compares."""

    def scores(self, embedded: Floats, texts: Sequence[str]) -> Floats:
        """Cosine of each picture with its own text."""
        distinct = list(dict.fromkeys(texts))
        rows = dict(zip(distinct, self.texts(distinct), strict=True))
        return np.array([float(vector @ rows[text]) for vector, text in zip(embedded, texts, strict=True)])


def open_clip(folder: ModelFolder) -> TextImage:
    """A `CLIPModel` with its tokenizer: CLIP itself, or PickScore."""
    import torch
    from transformers import AutoTokenizer

    model = transformers_model(folder, "CLIPModel")
    tokenizer = AutoTokenizer.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    length = model.config.text_config.max_position_embeddings

    def unit(projected: Any) -> Floats:
        vectors = projected.double()
        return (vectors / vectors.norm(dim=-1, keepdim=True)).cpu().numpy()

    def encode(batch: NDArray[np.float32]) -> Floats:
        with torch.inference_mode():
            pooled = model.vision_model(pixel_values=normalized(batch, CLIP_PIXELS)).pooler_output
            return unit(model.visual_projection(pooled))

    def texts(wanted: Sequence[str]) -> Floats:
        blocks: list[Floats] = []
        with torch.inference_mode():
            for start in range(0, len(wanted), _BATCH):
                tokens = tokenizer(
                    list(wanted[start : start + _BATCH]),
                    padding="max_length", truncation=True, max_length=length, return_tensors="pt",
                ).to(model.device)  # fmt: skip
                blocks.append(unit(model.text_projection(model.text_model(**tokens).pooler_output)))
        return np.concatenate(blocks)

    pictures = named_encoder(folder, model.config.projection_dim, model.config.vision_config.image_size, encode)
    return TextImage(pictures, texts, float(model.logit_scale.exp()))


QUESTION = 'USER: <image>\nDoes this figure show "{text}"? Please answer yes or no.\nASSISTANT:'
"""VQAScore's question (arXiv 2404.01291) in LLaVA-1.5's own frame."""


def open_questions(folder: ModelFolder) -> Callable[[Sequence[Picture], Sequence[str], Step], Floats]:
    """VQAScore with a LLaVA: the probability that the next token is "Yes"."""
    import torch
    from transformers import AutoTokenizer

    device = prepare_torch()
    dtype = half_dtype(device)
    model = transformers_model(folder, "LlavaForConditionalGeneration", dtype)
    tokenizer = AutoTokenizer.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    vision = model.config.vision_config
    places = (vision.image_size // vision.patch_size) ** 2
    if model.config.vision_feature_select_strategy == "full":
        places += 1
    image = tokenizer.convert_ids_to_tokens(model.config.image_token_index)
    yes = tokenizer.encode("Yes", add_special_tokens=False)[0]

    def ask(pictures: Sequence[Picture], texts: Sequence[str], on_progress: Step = None) -> Floats:
        answers: list[float] = []
        with torch.inference_mode():
            for picture, text in zip(pictures, texts, strict=True):
                question = QUESTION.format(text=text).replace("<image>", image * places)
                tokens = tokenizer(question, return_tensors="pt").to(device)
                pixels = normalized(square(picture, vision.image_size)[None], CLIP_PIXELS).to(dtype)
                logits = model(**tokens, pixel_values=pixels, logits_to_keep=1).logits[0, -1]
                answers.append(float(torch.softmax(logits.double(), 0)[yes]))
                if on_progress:
                    on_progress(len(answers))
        return np.array(answers)

    return ask
