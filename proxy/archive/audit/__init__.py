"""Finds marketing that was sent after an opt-out."""
