"""Analyses the text of a message."""
