"""The tables of client sync; all of them are derived from the logs."""
