"""What can be seen in a picture without a trained model: views to look at, facts about the file."""
