"""The record of what was taken (`cloud_bridge.ingest.dedupe`), in the shared store: any bridge knows what another took.

One string of intervals per boot ("1-500,502-503"), joined by a script in the store, so that two bridges that write at
once lose nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from cloud_bridge.fleet.store import AWAY, Store, raw, seen_key
from cloud_bridge.ingest.base import Effect
from cloud_bridge.ingest.dedupe import KEEP_DAYS, Intervals
from cloud_bridge.ingest.writer import Writer

_MOST = 100_000  # boots held in memory; the rest is in the store
_JOIN = """
local at = 2
for _, key in ipairs(KEYS) do
  local all = {}
  for lo, hi in string.gmatch(redis.call('GET', key) or '', '(%d+)-(%d+)') do
    all[#all+1] = {tonumber(lo), tonumber(hi)}
  end
  for i = at + 1, at + ARGV[at] do local n = tonumber(ARGV[i]); all[#all+1] = {n, n} end
  at = at + 1 + ARGV[at]
  table.sort(all, function(a, b) return a[1] < b[1] end)
  local out, lo, hi = {}, nil, nil
  for _, one in ipairs(all) do
    if lo == nil then lo, hi = one[1], one[2]
    elseif one[1] <= hi + 1 then if one[2] > hi then hi = one[2] end
    else out[#out+1] = string.format('%d-%d', lo, hi); lo, hi = one[1], one[2] end
  end
  out[#out+1] = string.format('%d-%d', lo, hi)
  redis.call('SET', key, table.concat(out, ','), 'EX', ARGV[1])
end
"""  # ARGV: for how many seconds, then for each key how many numbers, and the numbers

_Item = tuple[str, int, int]


class SharedRecord:
    """As `Dedupe`, which says what the methods do; effects have no place here. Call all from the event loop's thread,
    but `load` from any."""

    effects_failed = 0

    def __init__(self, store: Store) -> None:
        self._store = store
        self._join = store.now.register_script(_JOIN)
        self._seen: OrderedDict[tuple[str, int], Intervals] = OrderedDict()
        self._writer: Writer[_Item] = Writer("shared record", self._commit, outage=AWAY)

    @property
    def failed(self) -> str | None:
        """See `Dedupe`."""
        return self._writer.failed

    def load(self, of: str, boot: int) -> None:
        """Read what is known of `of` (tenant/device) anew: another bridge may have served it meanwhile."""
        found = self._read(of, boot)
        for key in [key for key in list(self._seen) if key[0] == of]:  # a copy: the event loop adds others meanwhile
            self._seen.pop(key, None)
        self._seen[of, boot] = found

    def seen(self, device: str, boot: int, seq: int) -> bool:
        """See `Dedupe`."""
        return seq in self._of(device, boot)

    def record(self, device: str, boot: int, seq: int, effect: Effect | None, done: Callable[[], None]) -> None:
        """See `Dedupe`. An effect is refused: there is no file that it could write into."""
        if effect is not None:
            raise TypeError("a shared record runs no effects: do it before `received` returns")
        self._of(device, boot).add(seq)
        self._writer.put((device, boot, seq), done)

    def close(self) -> None:
        """Write what is waiting, and end. Idempotent."""
        self._writer.close()

    def _of(self, of: str, boot: int) -> Intervals:
        found = self._seen.get((of, boot))
        if found is None:
            while len(self._seen) >= _MOST:
                self._seen.popitem(last=False)
            found = self._seen[of, boot] = self._read(of, boot)
        return found

    def _read(self, of: str, boot: int) -> Intervals:
        # Before the store is asked, or what is written in between would be in neither.
        waiting = [seq for whose, when, seq in self._writer.open() if (whose, when) == (of, boot)]
        text = raw(self._store.now.get(seen_key(of, boot))).decode()
        pairs = (one.partition("-") for one in text.split(",") if one)
        found = Intervals([(int(lo), int(hi)) for lo, _, hi in pairs])
        for seq in waiting:
            found.add(seq)
        return found

    def _commit(self, batch: list[_Item]) -> None:
        numbers: dict[str, list[int]] = {}
        for of, boot, seq in batch:
            numbers.setdefault(seen_key(of, boot), []).append(seq)
        args: list[int] = [KEEP_DAYS * 86_400]
        for seqs in numbers.values():
            args += [len(seqs), *seqs]
        self._join(keys=list(numbers), args=args)
