"""Lets several gates work on one shared store."""
