"""Several gates on one store: what they tell each other."""
