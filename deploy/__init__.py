"""What only operations need: process supervision, roll-out and infrastructure."""
