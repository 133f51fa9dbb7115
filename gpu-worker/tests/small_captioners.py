"""Random models that describe pictures, saved as their authors publish them: a BLIP and a LLaVA that is asked in a chat."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

WORDS = [
    *("a", "an", "the", "of", "in", "on", "by", "with", "and", "two", "three", "at", "near"),
    *("woman", "man", "boat", "river", "garden", "tree", "house", "bridge", "field", "sky", "cloud", "street", "dog"),
    *("blue", "green", "bright", "morning", "evening", "snow", "rain", "light", "standing", "walking"),
    *("painting", "oil", "canvas", "impressionist", "style", "artist"),
]


def blip(folder: Path, seed: int = 1, words: Sequence[str] = tuple(WORDS)) -> Path:
    """A BLIP of 2 layers and 32 numbers a token that knows these words alone."""
    from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration, BlipProcessor
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    torch.manual_seed(seed)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]", *words]
    tokenizer = BertTokenizerFast(
        vocab={word: number for number, word in enumerate(vocabulary)}, additional_special_tokens=["[DEC]", "[ENC]"]
    )
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**sizes, "vocab_size": len(vocabulary), "encoder_hidden_size": 32, "max_position_embeddings": 64,
            "bos_token_id": 5, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}  # fmt: skip
    # By default a BLIP's eyes begin with weights of next to nothing, which see no difference between two pictures.
    vision = {**sizes, "image_size": 32, "patch_size": 8, "initializer_range": 0.2}
    config = BlipConfig(text_config=text, vision_config=vision)
    model = BlipForConditionalGeneration(config)
    with torch.no_grad():
        for name, weight in model.text_decoder.named_parameters():
            if weight.ndim > 1:
                weight.mul_(6 if "crossattention" in name else 2)
    model.save_pretrained(folder)
    images = BlipImageProcessorPil(size={"height": 32, "width": 32})
    BlipProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def chat(folder: Path) -> Path:
    """A LLaVA that is asked in a chat, with a processor of its own."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    from small_models import word_tokenizer

    torch.manual_seed(3)
    words = ["<pad>", "<unk>", "<s>", "</s>", "<image>", "USER", "ASSISTANT", ":", "Describe", "Begin", *WORDS]
    tokenizer = word_tokenizer(words)
    vision = CLIPVisionConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                              image_size=32, patch_size=8)  # fmt: skip
    text = LlamaConfig(vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                       num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=256,
                       pad_token_id=0, bos_token_id=2, eos_token_id=3)  # fmt: skip
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=4, vision_feature_layer=-2)
    model = LlavaForConditionalGeneration(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(6)
    model.save_pretrained(folder)
    side = {"height": 32, "width": 32}
    template = (
        "{% for message in messages %}{{ message['role'] | upper }} : {% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }} {% endif %}{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %}ASSISTANT : {% endif %}"
    )
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=side, crop_size=side),
        tokenizer=tokenizer, patch_size=8, vision_feature_select_strategy="default", image_token="<image>",
        num_additional_image_tokens=1, chat_template=template,
    ).save_pretrained(folder)  # fmt: skip
    return folder


if __name__ == "__main__":
    {"blip": blip, "chat": chat}[sys.argv[1]](Path(sys.argv[2]))
