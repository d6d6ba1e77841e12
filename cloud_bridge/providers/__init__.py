"""Language models and voices: one file each."""
