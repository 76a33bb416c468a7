"""Encoded bytes to pixels and back: formats, limits, JPEG headers, error levels."""
