"""The typed records that the topics carry."""
