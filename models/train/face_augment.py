"""What a camera, a room and a hand do to a 48x48 face, drawn at random, one picture at a time."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]

_RAMP = np.linspace(-1.0, 1.0, 48, dtype=np.float32)
_LEVELS = np.arange(256, dtype=np.float32) / 255.0


def augment(face: Grey, rng: np.random.Generator, strength: float = 1.0) -> Grey:
    """A new (48, 48) picture that a rater would still label the same.

    `strength` scales how often light, lens or file spoil it, and how far it is moved; hands and masks come as
    often as ever down to 0.4, and a little less often below.
    """
    out = _place(face, rng, 0.6 + 0.4 * strength)
    if rng.random() < min(0.36, 0.2 + 0.4 * strength):
        out = _occlude(out, rng)
    if rng.random() < 0.25 * strength:
        out = _soften(out, rng)
    if rng.random() < 0.15 * strength:
        out = _side_light(out, rng)
    if rng.random() < 0.55 * strength:
        out = _expose(out, rng)
    if rng.random() < 0.25 * strength:
        sigma = rng.uniform(1.0, 14.0)
        noise = rng.standard_normal(out.shape, dtype=np.float32) * np.float32(sigma)
        out = np.clip(out + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.12 * strength:
        quality = int(rng.integers(15, 70))
        _, packed = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)
        out = np.asarray(decoded, np.uint8)
    return out


def _place(face: Grey, rng: np.random.Generator, spread: float) -> Grey:
    """Flip, turn, scale, stretch, shear and shift: another crop, another head pose."""
    size = face.shape[0]
    angle = np.deg2rad(np.clip(rng.normal(0.0, 9.0), -25.0, 25.0) * spread)
    scale = np.exp(rng.uniform(-0.16, 0.20) * spread)
    stretch = np.exp(rng.uniform(-0.08, 0.08) * spread)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.array(
        [[mirror * stretch, rng.uniform(-0.08, 0.08) * spread], [0.0, 1.0 / stretch]]
    )
    middle = (size - 1) / 2.0
    shift = rng.uniform(-0.08, 0.08, 2) * spread * size + middle
    matrix = np.concatenate([turn, (shift - turn @ (middle, middle))[:, None]], axis=1)
    if rng.random() < 0.6:
        return np.asarray(cv2.warpAffine(face, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    fill = float(rng.integers(0, 256))
    return np.asarray(cv2.warpAffine(face, matrix, (size, size), borderValue=fill), np.uint8)


def _occlude(face: Grey, rng: np.random.Generator) -> Grey:
    """A mask or hand over the lower face, glasses over the eyes, or any block."""
    out = face.copy()
    size = face.shape[0]
    kind = rng.random()
    shade = int(rng.integers(0, 256)) if rng.random() < 0.5 else 0
    if kind < 0.66:  # lower face: a straight cut, or a mask that follows the cheeks
        top = int(size * rng.uniform(0.46, 0.72))
        if rng.random() < 0.6:
            out[top:] = shade
        else:
            left, right = (int(size * rng.uniform(0.0, 0.22)) for _ in range(2))
            chin = int(size * rng.uniform(0.9, 1.0))
            bridge = top - int(size * rng.uniform(0.0, 0.08))
            outline = np.array(
                [
                    [left, top],
                    [size // 2, bridge],
                    [size - 1 - right, top],
                    [size - 1 - right, chin],
                    [left, chin],
                ],
                np.int32,
            )
            cv2.fillPoly(out, [outline], shade)
    elif kind < 0.77:  # sunglasses or a visor
        top = int(size * rng.uniform(0.2, 0.38))
        out[top : top + int(size * rng.uniform(0.12, 0.26))] = shade
    else:
        height, width = (size * rng.uniform(0.15, 0.45, 2)).astype(int)
        y, x = rng.integers(0, size - height), rng.integers(0, size - width)
        if rng.random() < 0.5:
            out[y : y + height, x : x + width] = shade
        else:
            out[y : y + height, x : x + width] = rng.integers(0, 256, (height, width), np.uint8)
    return out


def _soften(face: Grey, rng: np.random.Generator) -> Grey:
    """Out of focus, in motion, far away, or over-sharpened."""
    kind = rng.random()
    size = face.shape[0]
    if kind < 0.35:
        return np.asarray(cv2.GaussianBlur(face, (0, 0), rng.uniform(0.4, 1.8)), np.uint8)
    if kind < 0.5:
        length = int(rng.integers(3, 7))
        kernel = np.zeros((length, length), np.float32)
        if rng.random() < 0.5:
            kernel[length // 2] = 1.0 / length
        else:
            kernel[:, length // 2] = 1.0 / length
        return np.asarray(cv2.filter2D(face, -1, kernel), np.uint8)
    if kind < 0.8:
        small = int(rng.integers(16, 40))
        tiny = cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(tiny, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
    blurred = cv2.GaussianBlur(face, (0, 0), 1.2)
    gain = rng.uniform(0.3, 1.2)
    return np.asarray(cv2.addWeighted(face, 1.0 + gain, blurred, -gain, 0.0), np.uint8)


def _side_light(face: Grey, rng: np.random.Generator) -> Grey:
    """One side brighter than the other."""
    angle = rng.uniform(0.0, 2.0 * np.pi)
    depth = rng.uniform(0.15, 0.6)
    x, y = np.float32(np.cos(angle) * depth), np.float32(np.sin(angle) * depth)
    gain = np.float32(1.0) + x * _RAMP[None, :] + y * _RAMP[:, None]
    return np.clip(face * gain, 0, 255).astype(np.uint8)


def _expose(face: Grey, rng: np.random.Generator) -> Grey:
    """Under- or over-exposure: gamma, contrast and offset as one table."""
    kind = rng.random()
    if kind < 0.45:
        gamma = np.exp(rng.uniform(np.log(1.0), np.log(3.6)))
    elif kind < 0.75:
        gamma = np.exp(rng.uniform(np.log(0.4), 0.0))
    else:
        gamma = 1.0
    contrast = np.exp(rng.uniform(-0.9, 0.4))
    level = rng.uniform(-0.15, 0.15)
    curve = (_LEVELS**gamma - 0.5) * contrast + 0.5 * min(contrast, 1.0) + level
    table = np.clip(curve * 255.0, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(face, table), np.uint8)
