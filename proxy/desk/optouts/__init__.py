"""Handles opt-outs, doubtful replies and the history of both."""
