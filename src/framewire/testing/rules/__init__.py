"""The rules of the contract, one file per family: a rule is a function under :func:`rule.rule` and a test."""
