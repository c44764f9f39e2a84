"""Shows how providers do, to the desk and to each provider."""
