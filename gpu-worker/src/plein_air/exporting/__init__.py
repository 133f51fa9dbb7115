"""Adapters as other programs read them."""
