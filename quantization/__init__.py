"""Recipes that turn pinned source weights into the small files the device runs."""
