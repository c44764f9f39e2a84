"""Carries submits from provider to carrier, and delivers back.

Start with submit.py (a submit's way) and deliver.py (a deliver's way).
"""
