"""What can be read off the text of a message."""
