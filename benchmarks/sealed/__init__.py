"""The sealed test: forgeries by other tools than the generator's; looked at once per release."""
