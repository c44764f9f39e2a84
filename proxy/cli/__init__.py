"""The hand-made commands of gate106, beside those of the features."""
