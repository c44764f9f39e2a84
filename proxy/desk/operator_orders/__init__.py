"""Lets operators order stops, suspensions and shadow mode."""
