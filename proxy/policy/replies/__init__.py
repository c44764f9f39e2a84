"""What a reply of a recipient asks for."""
