"""MQTT topics. One device writes only under its own `up`, and reads only its own `down`.

mien/v1/TENANT/DEVICE/up/hello | env | cancel | received     Uplink packets, to the bridge
mien/v1/TENANT/DEVICE/down                                   Downlink packets, to the device
mien/v1/TENANT/DEVICE/state                                  the last state, retained, as JSON for integrators
mien/v1/TENANT/DEVICE/online                                 retained: "1", or "0" by the will
"""

from __future__ import annotations

from edge.errors import WireError
from edge.wire.check import check_device

_ROOT = "mien/v1"

_ONLINE = f"{_ROOT}/+/+/online"
UPLINKS = (f"{_ROOT}/+/+/up/#", _ONLINE)  # what a bridge subscribes to
SHARED = (f"$share/mien/{_ROOT}/+/+/up/hello", _ONLINE)  # what one of several does: each hello goes to one of them


def up(tenant: str, device: str, body: str) -> str:
    """Topic of an Uplink packet whose oneof is `body`: hello, env(elope), cancel, received."""
    return f"{_ROOT}/{tenant}/{device}/up/{body}"


def ups(tenant: str, device: str) -> tuple[str, ...]:
    """Topics of all Uplink packets of one device but its hello."""
    return tuple(up(tenant, device, body) for body in ("env", "cancel", "received"))


def down(tenant: str, device: str) -> str:
    """Topic of the Downlink packets for one device."""
    return f"{_ROOT}/{tenant}/{device}/down"


def state(tenant: str, device: str) -> str:
    """Topic of the retained last state."""
    return f"{_ROOT}/{tenant}/{device}/state"


def online(tenant: str, device: str) -> str:
    """Topic of the retained presence."""
    return f"{_ROOT}/{tenant}/{device}/online"


def parse_up(topic: str) -> tuple[str, str, str]:
    """(tenant, device, leaf) of a topic under `UPLINKS`; the leaf is hello, env …, or online. Raises WireError."""
    parts = topic.split("/")
    if parts[:2] != _ROOT.split("/") or not ((parts[4:5] == ["up"] and len(parts) == 6) or parts[4:] == ["online"]):
        raise WireError("a packet came on a topic that is none of the contract's")
    for part in parts[2:4]:
        check_device(part)
    return parts[2], parts[3], parts[-1]
