"""Hyperparameter search as a pure question: the trials so far and a seed in, the next trial out."""
