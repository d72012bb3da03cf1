"""The writers, servers and readers, one folder each."""
