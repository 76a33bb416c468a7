"""Scoring of whole archives: jobs that are stopped and started again, on one machine or many."""
