"""What would become of a campaign before it is sent."""
