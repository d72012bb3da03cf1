"""Writing events to rooms: built, signed, appended, and awaited until they are decided about."""
