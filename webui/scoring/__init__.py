"""The way to the scoring server."""
