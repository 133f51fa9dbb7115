"""Hyperparameter search as pure questions: a study so far and a seed in, its next move or its meaning out."""
