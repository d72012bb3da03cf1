"""The commands of `xylem`, one module each: its arguments, and what it does."""
