"""Proposes words for the lexicon, takes decisions on them, and measures it."""
