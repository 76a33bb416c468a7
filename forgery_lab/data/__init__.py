"""Data sets on disk: manifest, CASIA layout, inspection, ingestion, splits."""
