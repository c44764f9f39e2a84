"""How each provider does, and what it may see of itself."""
