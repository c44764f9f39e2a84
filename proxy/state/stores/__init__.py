"""The stores; a file name is its URL scheme."""
