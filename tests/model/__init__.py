"""Targets in memory, and an explorer that runs the real agent over them in every order.

unit, lio, nvmet       the targets, held to reality by test_recorded and test_reality
target, node, world    disks in memory for tests of whole actions
site, kernel, runs     the real code, command by command, over the targets
scenario, moves        what may be done at once, and what can happen next
promises, ends         what must hold
search, trace          visit every state, or walk at random; tell how a promise was broken
scenarios, larger      what is explored
mutants                wrong agents that must be caught
proof                  all of it, as numbers: `python3 -m tests.model`
"""
