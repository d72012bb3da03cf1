"""The streams that /sync is made of."""
