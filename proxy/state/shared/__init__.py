"""Contains the parts of the store that several gates share."""
