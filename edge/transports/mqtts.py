"""MQTT 5 over TLS: `mqtts://host:port?tenant=…`, with the device's own certificate where there is one."""

from edge.transports.mqtt import connect_tls as connect

__all__ = ["connect"]
