"""Where images come from: folders, archives, downloads, feedback, photographs, the demo."""
