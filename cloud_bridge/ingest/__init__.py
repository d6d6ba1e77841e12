"""Where envelopes arrive: one file per transport."""

import edge.wire.grpc_core  # noqa: F401  # before one of them imports gRPC
