"""Counts for limits that belong to no single recipient."""
