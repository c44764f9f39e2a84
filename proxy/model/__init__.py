"""Defines the types that all packages share."""
