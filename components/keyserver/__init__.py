"""Keys of devices and users for end-to-end encryption, and backups of room keys."""
