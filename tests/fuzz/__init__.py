"""Fuzzing of every entrance that takes bytes of strangers; `make fuzz` runs it."""
