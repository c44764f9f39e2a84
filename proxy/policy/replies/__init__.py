"""Finds out what a recipient's reply asks for."""
