"""What a network learns from: saving histories, pairs, cached features."""
