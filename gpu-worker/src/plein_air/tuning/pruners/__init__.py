"""One module a pruner, found by its name.

Each has a frozen dataclass `Options`, whose fields are those of `PRUNERS` in src/domain/tuning/strategies.ts, and two functions:
`rungs(steps, options)`, the steps at which a trial stops and is looked at, the last one being `steps`, and
`may_go_on(study, options)`, of the trials that wait those that may go on, first the one that should go first.
"""
