"""One unit vector for every image."""
