"""What clients ask the key server."""
