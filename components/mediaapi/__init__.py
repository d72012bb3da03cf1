"""The media server: what users upload, and who gets it."""
