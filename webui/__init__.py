"""The web page and the public API in front of the scoring server."""
