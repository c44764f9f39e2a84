"""The map of number segments: its age, its answers, newer tables."""
