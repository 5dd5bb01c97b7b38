"""Where heavy work runs: on this machine, or as tasks of a Ray cluster, with the same results."""
