"""Builds the tiny FLUX base: real model classes, trained on generated pictures of every style but Impressionism."""
