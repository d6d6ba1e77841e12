"""Errors of the model room. Each message names the cause and the mend.

ModelError
├── CardError        a card is missing or malformed
├── ModelMissing     the file is not in the store
├── ModelCorrupt     the file's bytes are not those of the card
├── PullFailed       no source gave the file
├── RuntimeMissing   no inference engine for this kind of file is installed
└── InputError       an input's shape, rate or type does not fit the model
"""

from __future__ import annotations


class ModelError(Exception):
    """Base of all errors of the model room."""


class CardError(ModelError):
    """A card is missing or malformed."""


class ModelMissing(ModelError):  # noqa: N818
    """The file is not in the store."""


class ModelCorrupt(ModelError):  # noqa: N818
    """The file's bytes are not those that the card names, or the engine cannot read them."""


class PullFailed(ModelError):  # noqa: N818
    """No source gave the file."""


class RuntimeMissing(ModelError):  # noqa: N818
    """No inference engine for this kind of file is installed."""


class InputError(ModelError, ValueError):
    """An input's shape, rate or type does not fit the model."""
