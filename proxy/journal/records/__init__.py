"""Every journal record as bytes and back."""
