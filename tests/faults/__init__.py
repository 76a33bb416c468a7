"""Faults of the running service and of the pipeline, each as a program that anyone can run."""
