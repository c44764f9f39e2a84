"""The tables of the rules folder."""
