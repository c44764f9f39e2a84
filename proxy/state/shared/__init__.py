"""The parts of the store that several gates share."""
