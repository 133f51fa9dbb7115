"""A trainer that misbehaves on purpose, for tests of the process around it."""
