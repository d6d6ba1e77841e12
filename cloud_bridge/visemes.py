"""From phonemes to mouth shapes: the 15 shapes of the Oculus/Meta lip-sync set, which most avatars know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloud_bridge.providers.base import Viseme

SHAPES = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U")

# IPA as espeak-ng writes it, one code point each.
_SHAPE = {
    **dict.fromkeys("pbm", "PP"),
    **dict.fromkeys("fvɱʋ", "FF"),
    **dict.fromkeys("θð", "TH"),
    **dict.fromkeys("tdɾʔ", "DD"),
    **dict.fromkeys("kgɡxɣŋhɦ", "kk"),
    **dict.fromkeys("ʃʒ", "CH"),
    **dict.fromkeys("sz", "SS"),
    **dict.fromkeys("nlɫɲ", "nn"),
    **dict.fromkeys("rɹɻʁɚɝ", "RR"),
    **dict.fromkeys("aɑæʌɐɜ", "aa"),
    **dict.fromkeys("eɛəɘ", "E"),
    **dict.fromkeys("iɪyj", "I"),
    **dict.fromkeys("oɔɒ", "O"),
    **dict.fromkeys("uʊwʉ", "U"),
    **dict.fromkeys(" .,;:!?^$—-", "sil"),
}


def from_phonemes(timed: Iterable[Sequence[str | int]]) -> tuple[Viseme, ...]:
    """Mouth shapes of `timed` = (phoneme, samples) pairs in order, without gaps; equal neighbours are joined.

    Marks of stress and length, and phonemes that are not known, lengthen the shape before them.
    """
    shapes: list[Viseme] = []
    at = 0
    for phoneme, samples in timed:
        length = int(samples)
        shape = _SHAPE.get(str(phoneme)) or (shapes[-1].shape if shapes else "sil")
        if shapes and shapes[-1].shape == shape:
            shapes[-1] = Viseme(shapes[-1].at, shapes[-1].length + length, shape)
        elif length:
            shapes.append(Viseme(at, length, shape))
        at += length
    return tuple(shapes)
