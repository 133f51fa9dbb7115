"""Plein Air's trainer: one process a GPU session, JSON lines in and out."""
