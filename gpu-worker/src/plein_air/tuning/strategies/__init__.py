"""One module a strategy, found by its name.

Each has a frozen dataclass `Options`, whose fields are those of `STRATEGIES` in src/domain/tuning/strategies.ts, and
`suggest(ask, options)`: a value of every dimension for the next trial, or None when there is none left to try.
"""
