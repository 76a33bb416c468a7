"""Forgeries that this project makes: five kinds, their scenes and outlines."""
