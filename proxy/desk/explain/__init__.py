"""Explains how a message was or would be decided, and why."""
