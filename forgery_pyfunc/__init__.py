"""All that a served model needs, and no more: it ships inside the logged model."""
