"""gRPC's core, told how to wait before it is first imported: it looks at its environment only then.

Left alone, one of its threads waits for the network, wakes another one, and that wakes asyncio's. Without its "event
engine" the thread that wakes asyncio waits itself: 4 instead of 7.5 wake-ups of each end for a round trip, which is
what a round trip on an idle machine consists of (`mien bench link`, `grpc_*`). Throughput stays the same.
An environment that already says something about GRPC_EXPERIMENTS is left alone.
"""

import os

os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")
