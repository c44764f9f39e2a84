"""Stores delivers that providers have not acknowledged yet."""
