"""Where envelopes arrive: one file per transport."""
