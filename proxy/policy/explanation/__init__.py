"""Explains verdicts in words, and says what would change them."""
