"""Watches and probes whether replies to a port reach the gate."""
