"""Where frames come from: one module per URI scheme, each with `from_uri(uri, *, paced=True) -> Sensor`."""
