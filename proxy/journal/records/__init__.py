"""Encodes and decodes every kind of journal record."""
