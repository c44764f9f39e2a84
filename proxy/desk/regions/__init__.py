"""How old the map of number segments is, what it says, and newer tables for it."""
