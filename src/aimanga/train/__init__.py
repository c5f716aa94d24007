"""Train a network on the user's own photos."""
