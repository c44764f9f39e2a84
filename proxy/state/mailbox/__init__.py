"""What providers have not acknowledged yet."""
