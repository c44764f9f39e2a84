"""Checks a campaign before it is sent."""
