"""Sampling and measuring: the standard sample set's pictures, and figures about them with honest intervals."""
