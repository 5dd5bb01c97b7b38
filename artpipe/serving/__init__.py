"""Which model is served: the candidate is compared with the served one, or a person decides."""
