"""What the device answers with: one file per name."""
