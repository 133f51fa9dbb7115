"""Measures what FLUX.1-dev costs on this machine, profile by profile, with random weights and the real trainer."""
