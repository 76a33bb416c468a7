"""Load and soak: many clients for many minutes, and every answer compared with the one offline."""
