"""Keeps, rolls, verifies and erases the journal at rest."""
