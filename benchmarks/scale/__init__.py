"""What more machines bring, measured on a cluster of two workers on loopback."""
