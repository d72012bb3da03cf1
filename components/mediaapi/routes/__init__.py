"""What clients and operators call of the media server."""
