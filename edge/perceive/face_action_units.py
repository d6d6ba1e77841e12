"""Action-unit evidence (Ekman & Friesen 1978) from blendshapes, for the description."""

from __future__ import annotations

from collections.abc import Mapping

# Name → blendshapes, of which left and right are averaged.
_EVIDENCE: dict[str, tuple[str, ...]] = {
    "brow_lower": ("browDownLeft", "browDownRight"),  # AU4
    "brow_inner_raise": ("browInnerUp",),  # AU1
    "brow_raise": ("browOuterUpLeft", "browOuterUpRight"),  # AU2
    "eyes_wide": ("eyeWideLeft", "eyeWideRight"),  # AU5
    "lid_tighten": ("eyeSquintLeft", "eyeSquintRight"),  # AU7
    "nose_wrinkle": ("noseSneerLeft", "noseSneerRight"),  # AU9
    "upper_lip_raise": ("mouthUpperUpLeft", "mouthUpperUpRight"),  # AU10
    "smile": ("mouthSmileLeft", "mouthSmileRight"),  # AU12
    "frown": ("mouthFrownLeft", "mouthFrownRight"),  # AU15
    "lip_pucker": ("mouthPucker",),  # AU18
    "lip_stretch": ("mouthStretchLeft", "mouthStretchRight"),  # AU20
    "lip_press": ("mouthPressLeft", "mouthPressRight"),  # AU24
    "jaw_drop": ("jawOpen",),  # AU26
}


def action_units(blendshapes: Mapping[str, float]) -> dict[str, float]:
    """Evidence 0–1 for each named movement.

    Google's net leaves `cheekSquint` near zero, so the lids' squint stands in for `cheek_raise` (AU6, a smile of the
    eyes), and only beside a smile: narrow eyes alone say nothing of it.
    """
    found = {name: sum(blendshapes[part] for part in parts) / len(parts) for name, parts in _EVIDENCE.items()}
    if found["smile"] > 0.3:
        found["cheek_raise"] = found["lid_tighten"]
    return found
