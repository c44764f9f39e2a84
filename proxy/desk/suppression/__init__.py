"""Suppresses marketing to recipients, singly and by list."""
