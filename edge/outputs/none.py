"""`none`: a device without a voice. Replies are taken and dropped."""

from __future__ import annotations


def create(target: str) -> Nothing:
    """No output; it takes no target."""
    return Nothing()


class Nothing:
    """Plays and shows nothing."""

    def open(self) -> None:
        """Nothing is held."""

    def play(self, audio: bytes, sample_rate: int) -> None:
        """Sound is dropped."""

    def stop(self) -> None:
        """It is silent already."""

    def show(self, text: str, final: bool) -> None:
        """Text is dropped."""

    def close(self) -> None:
        """Nothing is held."""
