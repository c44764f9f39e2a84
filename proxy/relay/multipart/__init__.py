"""Judges long messages whose parts arrive one by one."""
