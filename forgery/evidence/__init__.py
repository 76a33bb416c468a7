"""What can be seen in a picture without a trained model."""
