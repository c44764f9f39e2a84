"""Provider binds, carrier links and traces of their PDUs."""
