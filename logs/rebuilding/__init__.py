"""Makes the tables of a reader again, as a further copy beside the one that serves."""
