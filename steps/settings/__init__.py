"""Settings of the steps: entities, configuration files, the MLproject file."""
