"""What is on its way to the bridge and not yet acknowledged: how much may be, and when it must be sent again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

WINDOW = 256  # envelopes
ACK_S = 20.0  # nothing acknowledged for so long: the connection is dead, whatever TCP says
_SLOWEST = 8  # times that long may one envelope take while others are acknowledged: a slow link is not a dead one
_MEND_EVERY_S = 0.5

Name = tuple[int, int]  # of an envelope: boot, seq


class Flight:
    """The envelopes in flight. `window` is how many may be: halved where nothing gets through in time, so that the
    narrowest link gets on, and grown again by what is acknowledged. Times are monotonic seconds; for one thread."""

    def __init__(self, ack_s: float = ACK_S) -> None:
        self.window = WINDOW
        self._ack_s = ack_s
        self._sent: OrderedDict[Name, float] = OrderedDict()  # → when
        self._missing: Name | None = None
        self._acked_s = self._rewound_s = 0.0

    def sent(self, names: Iterable[Name], now_s: float) -> None:
        """These were sent."""
        for name in names:
            self._sent[name] = now_s

    def done(self, boot: int, seqs: Iterable[int], now_s: float) -> None:
        """The bridge answered for these."""
        self._acked_s = now_s
        self.window = min(WINDOW, self.window + 1)
        for seq in seqs:
            self._sent.pop((boot, seq), None)

    def late(self, now_s: float) -> bool:
        """Whether the bridge has not answered for so long that the connection must be dead."""
        oldest_s = next(iter(self._sent.values()), now_s)
        late = now_s - max(oldest_s, self._acked_s) > self._ack_s or now_s - oldest_s > _SLOWEST * self._ack_s
        if late:
            self.window = max(1, self.window // 2)
        return late

    def miss(self, boot: int, seq: int) -> None:
        """The bridge lacks this one, and takes none after it."""
        self._missing = (boot, seq)

    def must_mend(self, now_s: float) -> bool:
        """Whether all are to be sent again for one that is missing: but once, not for each that followed it."""
        if self._missing is None or now_s - self._rewound_s < _MEND_EVERY_S:
            return False
        must = self._missing in self._sent
        self._missing = None
        if must:
            self.window = max(1, self.window // 2)
        return must

    def rewind(self, now_s: float) -> int:
        """None is in flight any more; how many were."""
        count = len(self._sent)
        self._sent.clear()
        self._rewound_s = now_s
        return count
