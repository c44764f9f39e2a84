"""Files of rows that commands read and write."""
