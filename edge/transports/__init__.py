"""Ways to the bridge: one file per URI scheme."""
