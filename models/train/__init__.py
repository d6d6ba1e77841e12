"""Recipes that train our own heads."""
