"""Errors of the bridge. Each message names the cause and the mend.

BridgeError
├── SettingError       a flag, variable or configuration key is unknown or wrong
├── ListenError        the address cannot be listened on
├── ModelAbsent        a local model's file or engine is not there
└── ProviderError      a language model or a voice gives no answer
    ├── ProviderBusy       it refuses for now: worth another try
    └── ProviderRefused    it will not answer this request (key, model name, quota)
"""

from __future__ import annotations

import traceback


class BridgeError(Exception):
    """Base of all errors of the bridge."""


class SettingError(BridgeError):
    """A flag, variable or configuration key is unknown or wrong."""


class ListenError(BridgeError):
    """The address cannot be listened on."""


class ModelAbsent(BridgeError):  # noqa: N818
    """A local model's file or its engine is not there."""


class ProviderError(BridgeError):
    """A language model or a voice gives no answer."""


class ProviderBusy(ProviderError):  # noqa: N818
    """It refuses for now, or cannot be reached: worth another try."""


class ProviderRefused(ProviderError):  # noqa: N818
    """It will not answer this request: a wrong key, an unknown model, a spent quota."""


def without_content(error: BaseException) -> str:
    """What `error` is and where it came from, for a log: its message may hold what was said."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"
