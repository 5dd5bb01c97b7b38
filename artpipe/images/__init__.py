"""One outcome, and at best one JPEG, for every artwork."""
