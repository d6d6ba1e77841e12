"""Ways to the bridge: one file per URI scheme."""

import edge.wire.grpc_core  # noqa: F401  # before one of them imports gRPC
