"""Finds messages in the journal at rest, and records who looked."""
