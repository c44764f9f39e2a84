"""Imports, reviews and withdraws consents to marketing."""
