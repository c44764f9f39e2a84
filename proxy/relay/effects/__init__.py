"""What alters a recipient's record, live and replayed."""
