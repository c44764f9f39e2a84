"""Shows the overview page of the console."""
