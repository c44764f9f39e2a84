"""Compiled code, and the loader that puts it in place."""
