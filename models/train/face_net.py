"""The expression net: plain 3x3 convolutions, because they train fast on a CPU and survive int8."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.train.face_data import CLASSES


def _conv(inside: int, outside: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        return torch.relu(x + self.second(self.first(x)))


class FaceNet(nn.Module):
    """(N, 1, 48, 48) standardised grey -> (N, 8) logits; 37 M multiply-adds, 0.76 M weights.

    Smaller pictures work too.
    """

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(1, 24, kernel=5, stride=2),  # 24 x 24
            _conv(24, 64, stride=2),  # 12 x 12
            Residual(64),
            _conv(64, 128, stride=2),  # 6 x 6
            Residual(128),
            Residual(128),
            nn.AdaptiveAvgPool2d(3),  # a mouth corner is not an eye, so the place is kept
            nn.Flatten(),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(128 * 9, CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.normal_(self.head.weight, std=0.01)
        for module in self.modules():
            if isinstance(module, Residual):  # start as an identity
                last = module.second[1]
                assert isinstance(last, nn.BatchNorm2d)
                nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Standardised grey in, logits out."""
        logits: Tensor = self.head(self.dropout(self.body(x)))
        return logits
