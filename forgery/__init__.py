"""What one person uses without a server: the `forgery` command, evidence, the shipped detector."""
