"""Keys of devices and users for end-to-end encryption: their shapes, and who may sign them."""
