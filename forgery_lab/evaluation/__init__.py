"""Protocols, metrics, baselines, reports."""
