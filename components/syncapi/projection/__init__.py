"""What the projection makes of the records of the topics."""
