"""Counters that belong to no single recipient."""
