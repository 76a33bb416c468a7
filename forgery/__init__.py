"""What one person uses without a server: the `forgery` command, evidence, the shipped detector."""

from pathlib import Path

SHIPPED = Path(__file__).with_name("shipped")
"""The folder of the detector that comes with this package."""
