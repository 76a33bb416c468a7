"""What a prediction log says: whether inputs or scores drift, and how well the model still does."""
