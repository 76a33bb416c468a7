"""The two services as supervised processes, for a laptop and the container alike."""
