"""Retention, rolling and verification of the journal."""
