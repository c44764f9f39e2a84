"""Manages the process: CPU, memory, files, background work."""
