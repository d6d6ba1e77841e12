"""gRPC over TLS: `grpcs://host:port`, with the device's own certificate where there is one."""

from edge.transports.grpc import connect_tls as connect

__all__ = ["connect"]
