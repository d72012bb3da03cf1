"""What this process keeps in memory of what is projected."""
