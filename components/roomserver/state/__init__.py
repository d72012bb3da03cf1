"""State snapshots as hash tries that share what did not change."""
