"""MLflow runs of the steps, and what they log."""
