"""One recipient's record as packed bytes."""
