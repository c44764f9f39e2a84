"""Reads and checks a folder of rules."""
