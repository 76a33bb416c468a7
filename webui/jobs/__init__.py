"""Jobs: many pictures that are scored while nobody waits, and their results for a stated time."""
