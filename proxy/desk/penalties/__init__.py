"""Penalties of providers from proposal to end."""
