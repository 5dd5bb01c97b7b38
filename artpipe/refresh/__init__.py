"""What is stale, why, and running only that: on Dagster's own stale status, for the command line and automation."""
