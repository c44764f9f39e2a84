"""The parts of the embedded store."""
