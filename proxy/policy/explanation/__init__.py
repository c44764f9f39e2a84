"""A verdict in words, and what would change it."""
