"""Whether replies to a port reach the gate."""
