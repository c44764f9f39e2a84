"""Finds messages in the journal at rest."""
