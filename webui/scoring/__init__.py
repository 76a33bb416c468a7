"""The connections to the scoring server, its pointer, its readiness, and the turns."""
