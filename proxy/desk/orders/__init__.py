"""Orders of operators: stop, suspend, shadow."""
