"""Makes one bridge a member of a fleet: shared record, turns that outlive a bridge, presence across bridges."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass

from cloud_bridge.conversation import Conversation
from cloud_bridge.errors import ModelAbsent
from cloud_bridge.fleet.claims import Claims
from cloud_bridge.fleet.erasures import SharedErasures
from cloud_bridge.fleet.record import SharedRecord
from cloud_bridge.fleet.relay import Relay
from cloud_bridge.fleet.store import Store
from cloud_bridge.fleet.worker import Worker
from cloud_bridge.presence import Presence


@dataclass(frozen=True, slots=True)
class Member:
    """What a bridge in a fleet has beside a single one."""

    store: Store
    record: SharedRecord
    claims: Claims
    worker: Worker
    name: str

    def erasures(self, keep_days: float) -> SharedErasures:
        """Wishes to erase, from and to the other bridges."""
        return SharedErasures(self.store, self.name, keep_days)

    def present(self, stack: AsyncExitStack, presence: Presence, *, shows: bool) -> Relay:
        """Join `presence` with the other bridges', until `stack` ends."""
        relay = Relay(presence, self.store, self.name, shows=shows)
        relay.start()
        stack.push_async_callback(relay.stop)
        return relay


async def join(stack: AsyncExitStack, url: str, conversation: Conversation) -> Member:
    """Reach the store at `url`; let go of it when `stack` ends. Raises BridgeError."""
    try:
        import redis  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelAbsent("--redis needs the Python package redis: pip install 'mien[fleet]'") from error
    store = Store(url)
    stack.push_async_callback(store.close)
    await store.check()
    record = SharedRecord(store)
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    return Member(store, record, Claims(store), Worker(conversation, store, record, conversation.memory), name)
