"""What the bridge orders a device to do: be mute, or follow a rule. Where the person's choice allows it it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edge.errors import ConfigError
from edge.policy import Policy
from edge.rules import Rules
from edge.wire import mien_pb2

_WAITING = 16  # orders that may wait


class Mute(Protocol):
    """Closes the live sensors, or lets them be opened again."""

    def __call__(self, *, muted: bool) -> None:
        """Do so."""


class Orders:
    """Obeys one order after another, and answers each. `answer` sends what came of the order of that number; `submit`
    runs what may take time elsewhere."""

    def __init__(
        self,
        answer: Callable[[int, Mapping[str, str | bool]], None],
        *,
        policy: Policy,
        rules: Rules,
        mute: Mute,
        submit: Callable[..., Any],
    ) -> None:
        self._answer, self._policy, self._rules, self._mute, self._submit = answer, policy, rules, mute, submit
        self._room = threading.Semaphore(_WAITING)

    def take(self, command: mien_pb2.Command) -> None:
        """Obey soon. It comes on the uplink's thread, which must not wait for a device."""
        if self._room.acquire(blocking=False):
            self._submit(self._obey, command)
        else:
            self._answer(command.id, {"done": False, "reason": f"{_WAITING} orders wait already"})

    def _obey(self, command: mien_pb2.Command) -> None:
        told: dict[str, str | bool] = {"done": True}
        try:
            match command.WhichOneof("what"):
                case "mute":
                    if not command.mute and self._policy.mode == "off":
                        raise ConfigError(f"perception stays off: {self._policy.reason or 'the settings say so'}")
                    self._mute(muted=command.mute)
                    told["muted"] = command.mute
                case "rule":
                    told["rule"] = self._rules.put(command.rule)
                case _:
                    raise ConfigError("this device does not know that order: update it")
        except ConfigError as error:
            told |= {"done": False, "reason": str(error)[:200]}
        except Exception as error:  # the order is answered, whatever becomes of it
            told |= {"done": False, "reason": f"failed: {type(error).__name__}"}
        finally:
            self._room.release()
        self._answer(command.id, told)
