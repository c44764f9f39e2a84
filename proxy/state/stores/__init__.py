"""Contains the store engines; a file name is its URL scheme."""
