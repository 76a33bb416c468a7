"""One thin module per entry point of the MLproject, and what they share."""
