"""A trainer of a later version, which speaks another protocol."""
