"""Contains the parts of the embedded store."""
