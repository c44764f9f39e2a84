"""Reads and writes the files that commands take and give."""
