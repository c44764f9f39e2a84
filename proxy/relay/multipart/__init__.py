"""Long messages whose parts come one by one."""
