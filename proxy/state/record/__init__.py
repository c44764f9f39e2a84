"""Packs, reads and changes one recipient's record."""
