"""The development panel: what a detector finds and what it calls forged, within ten minutes."""
