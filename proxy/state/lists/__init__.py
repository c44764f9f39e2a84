"""Stores lists and numbered facts beside the records."""
