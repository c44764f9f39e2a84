"""Penalizes providers, from proposal to end."""
