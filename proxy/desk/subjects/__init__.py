"""The rights of a data subject: access and erasure."""
