"""Lists and controls provider binds and carrier links, and traces PDUs."""
