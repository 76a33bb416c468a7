"""The HTTP server and its limits."""
