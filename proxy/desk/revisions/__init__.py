"""Drafts, approves, deploys and rolls back sets of rules."""
