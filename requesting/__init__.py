"""What requests of clients share: who asks, how often, repeats, and tokens of pages."""
