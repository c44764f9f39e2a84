"""Provides texts for people in Chinese and English."""
