"""Recipients who get no marketing, singly and by list."""
