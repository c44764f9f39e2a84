"""Holds the features of the compliance desk, one folder each.

``README.md`` says what a folder holds, in which order the features import each other, and where a feature's other files lie.
"""
