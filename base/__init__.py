"""What every component stands on and none owns: database, HTTP, clock, metrics, tasks."""
