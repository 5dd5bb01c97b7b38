"""The drawn sample gallery and its loopback server."""
