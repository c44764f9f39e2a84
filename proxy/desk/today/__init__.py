"""The overview page of the console."""
