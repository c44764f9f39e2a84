"""Commands of gate106 that belong to no feature of the desk."""
