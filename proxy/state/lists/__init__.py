"""Lists and facts kept beside the records."""
