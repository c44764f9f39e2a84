"""Contains the compiled versions of hot functions and their loader."""
