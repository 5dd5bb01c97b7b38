"""Train, validation, test and unseen artists, without leaks."""
