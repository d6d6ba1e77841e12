"""Where frames come from: one file per URI scheme."""
