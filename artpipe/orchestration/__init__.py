"""How assets are made and kept current: reuse, lineage, IO managers, what is stale, the runner, automation, alerts."""
