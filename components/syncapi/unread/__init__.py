"""What a user has not read: notifications counted by their push rules when they sync."""
