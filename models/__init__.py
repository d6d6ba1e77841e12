"""What the device knows: cards, a verified store, inference sessions and one wrapper file per model."""
