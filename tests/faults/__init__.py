"""Killed at every call, hung at every step, broken targets, races: the right state and the right answer all the same.

Needs the lab. `proof` has the numbers that stand in docs/proof.md.
"""
