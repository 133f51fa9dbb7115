"""Captions of pictures by models that see."""
