"""Names of rooms, and the directory of public ones."""
