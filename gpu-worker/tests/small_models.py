"""Random models of every role, saved as their authors publish them: transformers' folders, or bare safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn


def dinov2(folder: Path) -> Path:
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(1)
    config = Dinov2Config(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14)
    Dinov2Model(config).save_pretrained(folder)
    return folder


def clip(folder: Path, seed: int = 2) -> Path:
    from transformers import CLIPConfig, CLIPModel

    import small_flux

    torch.manual_seed(seed)
    text = {"vocab_size": 600, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "max_position_embeddings": 32, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}  # fmt: skip
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 8}  # fmt: skip
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)).save_pretrained(folder)
    small_flux._clip_tokenizer().save_pretrained(folder)
    return folder


def word_tokenizer(words: list[str]) -> Any:
    """A tokenizer that knows these words as wholes; the first five are pad, unknown, begin, end and picture."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>",
        additional_special_tokens=["<image>"],
    )  # fmt: skip


def llava(folder: Path) -> Path:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    torch.manual_seed(3)
    words = [
        "<pad>",
        "<unk>",
        "<s>",
        "</s>",
        "<image>",
        "Yes",
        "No",
        "Does",
        "this",
        "figure",
        "show",
        "USER",
        "ASSISTANT",
    ]
    words += ["Please", "answer", "yes", "or", "no", "?", ".", ":", '"', *"abcdefghijklmnopqrstuvwxyz"]
    word_tokenizer(words).save_pretrained(folder)
    vision = CLIPVisionConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                              image_size=32, patch_size=8)  # fmt: skip
    text = LlamaConfig(vocab_size=len(words), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
                       num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=128)  # fmt: skip
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=4, vision_feature_layer=-2)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    return folder


class OpenAiTower(nn.Module):
    """A CLIP vision tower written down from its description, in the names that CSD's release uses."""

    def __init__(self, width: int = 64, layers: int = 2, patch: int = 8, side: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width))
        self.positional_embedding = nn.Parameter(torch.randn((side // patch) ** 2 + 1, width) * 0.1)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(_Block(width) for _ in range(layers))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.conv1(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positional_embedding
        x = self.ln_pre(x)
        for block in self.transformer.resblocks:  # pyright: ignore[reportGeneralTypeIssues]
            x = block(x)
        return self.ln_post(x[:, 0])


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, max(1, width // 64), batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Module()
        self.mlp.c_fc, self.mlp.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        y = self.mlp.c_fc(self.ln_2(x))  # pyright: ignore[reportCallIssue]
        return x + self.mlp.c_proj(y * torch.sigmoid(1.702 * y))  # pyright: ignore[reportCallIssue]


class Csd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = OpenAiTower()
        self.last_layer_style = nn.Parameter(torch.randn(64, 24))
        self.last_layer_content = nn.Parameter(torch.randn(64, 24))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.backbone(pixels) @ self.last_layer_style, dim=1)


class _Bottleneck(nn.Module):
    def __init__(self, inside: int, width: int, outside: int, stride: int, shortcut: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inside, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, outside, 1, bias=False), nn.BatchNorm2d(outside)
        if shortcut:
            self.downsample = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        beside = self.downsample(x) if hasattr(self, "downsample") else x
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + beside)


class Sscd(nn.Module):
    """A small ResNet of bottlenecks in torchvision's names, GeM pooling, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.conv1, self.backbone.bn1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)
        self.backbone.layer1 = nn.Sequential(_Bottleneck(8, 4, 16, 1, True), _Bottleneck(16, 4, 16, 1, False))
        self.backbone.layer2 = nn.Sequential(_Bottleneck(16, 8, 32, 2, True))
        self.backbone.fc = nn.Linear(32, 20)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean, module.running_var = (
                    torch.randn_like(module.bias),
                    torch.rand_like(module.bias) + 0.5,
                )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        b: Any = self.backbone
        x = nn.functional.max_pool2d(torch.relu(b.bn1(b.conv1(pixels))), 3, 2, 1)
        x = b.layer2(b.layer1(x))
        return nn.functional.normalize(b.fc(x.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)), dim=1)


def save_bare(module: nn.Module, folder: Path) -> Path:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, folder / "model.safetensors")
    return folder
