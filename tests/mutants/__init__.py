"""Small changes of lib, one at a time: some unit test must notice each, or it stands in survivors.txt why none can.

Needs namespaces of its own, nothing else. `make mutants` tries all or a sample; the long form another one each time.

changes            every change of a file, from its text: pure
choice, measured   which unit tests may notice one: those that run its lines (lines)
sandbox            where changed code runs: it may do anything there
trial, forks       in there: pytest that has collected all tests, and a fork of it for each change
record             what is known to survive, and why
"""
