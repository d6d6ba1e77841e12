"""Errors of the device side. Each message names the cause and the mend.

MienError
├── ConfigError        a setting is unknown or wrong
├── SensorError        a camera, microphone or file gives nothing
│   ├── SensorMissing      not there, or no permission
│   └── MediaError         a file or stream that cannot be decoded
├── OutputError        a speaker, screen … cannot be used
├── OutboxError
│   └── OutboxFull         the new item was refused; nothing acknowledged was lost
├── TransportError     the bridge or broker cannot be reached or refuses
│   └── WireError          a packet that does not follow the contract
├── PolicyError        the declared purpose or consent forbids this
└── PluginError        no such scheme or name
(models.errors.ModelError stands beside it, for the room below.)
"""

from __future__ import annotations


class MienError(Exception):
    """Base of all errors that a user of the device side may see."""


class ConfigError(MienError):
    """A setting is unknown or has a wrong value."""


class SensorError(MienError):
    """A source of frames gives nothing."""


class SensorMissing(SensorError):  # noqa: N818
    """The camera, microphone or file is not there, or may not be opened."""


class MediaError(SensorError):
    """A file or stream cannot be decoded."""


class OutputError(MienError):
    """A speaker, screen or LED cannot be used."""


class OutboxError(MienError):
    """The outbox cannot keep an item."""


class OutboxInUse(OutboxError):  # noqa: N818
    """Another process works with it."""


class OutboxFull(OutboxError):  # noqa: N818
    """The new item was refused for lack of room; everything acknowledged before is still there."""


class TransportError(MienError):
    """The other end cannot be reached, or refuses."""


class WireError(TransportError):
    """A packet does not follow the wire contract."""


class PolicyError(MienError):
    """The declared purpose or the person's consent forbids this."""


class PluginError(MienError):
    """No extension of that scheme or name."""
