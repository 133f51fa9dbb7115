"""The trainer's protocol: lines in, lines out, nothing of torch."""
