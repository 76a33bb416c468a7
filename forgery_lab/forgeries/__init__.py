"""Forgeries that this project makes: splices and copy-moves, their scenes and outlines."""
