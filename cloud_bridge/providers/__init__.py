"""Who reasons and who speaks: one file per provider, all behind the two protocols of `base`."""
