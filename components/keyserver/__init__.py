"""Keys of devices and users for end-to-end encryption."""
