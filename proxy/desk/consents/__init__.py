"""Consents: import with proof, review and withdrawal."""
