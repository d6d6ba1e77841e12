"""ncnn's reference nets on this machine, one thread: `python peer_reference_nets.py RUNS`, with ncnn.

Prints one JSON line: net → CPU milliseconds of one pass (median). SqueezeNet 1.1, MobileNet 1.0 and ResNet-18 as in
ncnn's benchmark, described here anew; weights are zeros, for time does not depend on them.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ncnn  # type: ignore[import-not-found,import-untyped,unused-ignore]
import numpy as np


class Net:
    """Writes one ncnn .param: `value` names are blobs, counted as they come."""

    def __init__(self, side: int) -> None:
        self.side = side
        self._lines: list[str] = []
        self._blobs = 0
        self.last = self._layer("Input", 0, 1, f"0={side} 1={side} 2=3")[0]
        self._channels = {self.last: 3}

    def conv(
        self,
        into: int,
        kernel: int,
        stride: int = 1,
        *,
        pad: int = 0,
        relu: bool = True,
        of: str = "",
        deep: bool = False,
    ) -> str:
        """A convolution of `of` (default: the last blob); `deep`: depth-wise."""
        source = of or self.last
        channels = self._channels[source]
        size = into * kernel * kernel * (1 if deep else channels)
        rest = f"0={into} 1={kernel} 3={stride} 4={pad} 5=1 6={size}" + (f" 7={into}" if deep else "")
        kind = "ConvolutionDepthWise" if deep else "Convolution"
        return self._made(into, self._layer(kind, 1, 1, rest + (" 9=1" if relu else ""), source)[0])

    def pool(self, *, mean: bool = False) -> str:
        """3×3 maximum, stride 2; or the mean of everything."""
        rest = "0=1 4=1" if mean else "0=0 1=3 2=2"
        return self._made(self._channels[self.last], self._layer("Pooling", 1, 1, rest, self.last)[0])

    def split(self) -> tuple[str, str]:
        """The last blob twice."""
        channels = self._channels[self.last]
        first, second = self._layer("Split", 1, 2, "", self.last)
        self._channels |= {first: channels, second: channels}
        return first, second

    def join(self, first: str, second: str, *, add: bool = False) -> str:
        """Both on top of each other, or their sum."""
        channels = self._channels[first] + (0 if add else self._channels[second])
        kind, rest = ("BinaryOp", "0=0") if add else ("Concat", "")
        return self._made(channels, self._layer(kind, 2, 1, rest, first, second)[0])

    def relu(self) -> str:
        """Of the last blob."""
        return self._made(self._channels[self.last], self._layer("ReLU", 1, 1, "", self.last)[0])

    def classes(self, count: int) -> None:
        """Fully connected, then softmax."""
        rest = f"0={count} 1=1 2={count * self._channels[self.last]}"
        self._made(count, self._layer("InnerProduct", 1, 1, rest, self.last)[0])
        self._made(count, self._layer("Softmax", 1, 1, "0=0", self.last)[0])

    def text(self) -> str:
        """The .param file."""
        return "\n".join(["7767517", f"{len(self._lines)} {self._blobs}", *self._lines]) + "\n"

    def _layer(self, kind: str, taken: int, given: int, rest: str, *sources: str) -> list[str]:
        names = [f"b{self._blobs + index}" for index in range(given)]
        self._blobs += given
        self._lines.append(f"{kind} l{len(self._lines)} {taken} {given} {' '.join([*sources, *names])} {rest}".rstrip())
        return names

    def _made(self, channels: int, blob: str) -> str:
        self.last, self._channels[blob] = blob, channels
        return blob


def squeezenet() -> Net:
    """SqueezeNet 1.1, 227×227 (Iandola 2016)."""
    net = Net(227)
    net.conv(64, 3, 2)
    for index, (squeeze, expand) in enumerate([(16, 64)] * 2 + [(32, 128)] * 2 + [(48, 192)] * 2 + [(64, 256)] * 2):
        if index in (0, 2, 4):
            net.pool()
        net.conv(squeeze, 1)
        one, two = net.split()
        net.join(net.conv(expand, 1, of=one), net.conv(expand, 3, pad=1, of=two))
    net.conv(1000, 1)
    net.pool(mean=True)
    return net


def mobilenet() -> Net:
    """MobileNet 1.0, 224×224 (Howard 2017)."""
    net = Net(224)
    net.conv(32, 3, 2, pad=1)
    into = 32
    for out, stride in [
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *[(512, 1)] * 5,
        (1024, 2),
        (1024, 1),
    ]:
        net.conv(into, 3, stride, pad=1, deep=True)
        net.conv(out, 1)
        into = out
    net.pool(mean=True)
    net.classes(1000)
    return net


def resnet18() -> Net:
    """ResNet-18, 224×224 (He 2015), its normalisation folded into the convolutions."""
    net = Net(224)
    net.conv(64, 7, 2, pad=3)
    net.pool()
    before = 64
    for out in (64, 128, 256, 512):
        for block in range(2):
            one, two = net.split()
            stride = 2 if out != before and block == 0 else 1
            side = net.conv(out, 1, stride, relu=False, of=two) if stride == 2 else two
            net.conv(out, 3, stride, pad=1, of=one)
            net.join(net.conv(out, 3, pad=1, relu=False), side, add=True)
            net.relu()
        before = out
    net.pool(mean=True)
    net.classes(1000)
    return net


NETS: dict[str, Callable[[], Net]] = {"squeezenet": squeezenet, "mobilenet": mobilenet, "resnet18": resnet18}


def cpu_ms(described: Net, folder: Path, runs: int) -> float:
    """CPU milliseconds of one pass, the median of `runs` after two to warm up."""
    param, weights = folder / "net.param", folder / "net.bin"
    param.write_text(described.text(), encoding="ascii")
    weights.write_bytes(b"\0" * (64 << 20))  # more than any of them reads; a flag of 0 means float32
    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_vulkan_compute = False
    if net.load_param(str(param)) or net.load_model(str(weights)):
        raise SystemExit("ncnn cannot read its net")
    picture = ncnn.Mat(np.full((3, described.side, described.side), 0.5, np.float32))
    spent = []
    for _ in range(runs + 2):
        extractor = net.create_extractor()
        extractor.input("b0", picture)
        before = time.process_time()
        status, _out = extractor.extract(described.last)
        spent.append((time.process_time() - before) * 1e3)
        if status:
            raise SystemExit("ncnn cannot run its net")
    return statistics.median(spent[2:])


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({name: cpu_ms(make(), Path(folder), int(sys.argv[1])) for name, make in NETS.items()}))


if __name__ == "__main__":
    main()
