"""A prepared dataset: its pictures, and which of their views a training looks at, in which order."""
