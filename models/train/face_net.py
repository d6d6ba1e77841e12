"""The expression net: plain 3x3 convolutions, because they train fast on a CPU and survive int8."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.train import face_widths
from models.train.face_data import CLASSES
from models.train.face_widths import SHIPPED, Widths


def _conv(inside: int, outside: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two convolutions beside an identity, with `inside` channels between them."""

    def __init__(self, channels: int, inside: int) -> None:
        super().__init__()
        self.first = _conv(channels, inside)
        self.second = nn.Sequential(nn.Conv2d(inside, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        return torch.relu(x + self.second(self.first(x)))


class FaceNet(nn.Module):
    """(N, 1, 48, 48) standardised grey -> (N, 8) logits.

    `inside` is how wide the three residual blocks are: SHIPPED takes 24 M multiply-adds and 0.47 M weights, WIDE, which
    learns first and teaches, 37 M and 0.76 M. Smaller pictures work too.
    """

    def __init__(self, inside: Widths = SHIPPED, dropout: float = 0.1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(1, 24, kernel=5, stride=2),  # 24 x 24
            _conv(24, 64, stride=2),  # 12 x 12
            Residual(64, inside[0]),
            _conv(64, 128, stride=2),  # 6 x 6
            Residual(128, inside[1]),
            Residual(128, inside[2]),
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

    def blocks(self) -> list[Residual]:
        """The residual blocks, from the input on."""
        return [one for one in self.body if isinstance(one, Residual)]


def from_state(state: dict[str, Tensor]) -> FaceNet:
    """The net that `state` is of, whatever its widths. Raises KeyError or RuntimeError where it is of another kind."""
    net = FaceNet(face_widths.widths(state))
    net.load_state_dict(state)
    return net.eval()


def narrowed(wide: FaceNet, inside: Widths, pictures: Tensor) -> FaceNet:
    """`wide` with only `inside` channels left in each block: those that add most to it, over `pictures` (N, 1, H, W).

    See `face_widths.narrowed`. Raises ValueError where `wide` has fewer channels.
    """
    strong: list[Tensor] = []

    def note(_: nn.Module, __: tuple[Tensor, ...], out: Tensor) -> None:
        strong.append(out.square().mean((0, 2, 3)))

    hooks = [block.first.register_forward_hook(note) for block in wide.blocks()]
    with torch.no_grad():
        wide.eval()(pictures)
    for hook in hooks:
        hook.remove()
    state = {name: value.numpy() for name, value in wide.state_dict().items()}
    left = face_widths.narrowed(state, [one.numpy() for one in strong], inside)
    net = FaceNet(inside)
    net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in left.items()})
    return net
