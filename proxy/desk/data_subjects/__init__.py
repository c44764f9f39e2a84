"""Serves a data subject's rights: access, export and erasure."""
