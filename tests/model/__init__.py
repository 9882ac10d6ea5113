"""Targets in memory, and an explorer that runs the real agent over them in every order.

unit, lio, nvmet             the targets, held to reality by test_recorded and test_reality
target, node, world          disks in memory for tests of whole actions
site                         nodes with their paths, nexuses and hosts, and the disks that they share
configuration, files         what each node is told, and what it keeps: state files of a boot, bindings that outlive it
kernel, here, runs           the real code, command by command, over the targets
scenario, states, moves      what may be done at once, and what can happen next
deeds                        what happens between calls: reboots, new sessions, LVM, paths that die and return
promises, ends               what must hold
search, trace                visit every state, or walk at random; tell how a promise was broken
scenarios, larger, names, random_names  what is explored; the last two: a name is not a node
mutants                      wrong agents that must be caught
proof                        all of it, as numbers: `python3 -m tests.model`

The truth is a node's writes, never a key. Once a call that began at some moment has called a node off, no nexus of that
node may write to any disk that it knows, by whatever key, until an 'on' of that node begins. Excused is the REGISTER of
an 'on' that had begun by then, if nothing told it (`promises.nothing_told`): the reading just before, over the same
path and after any other REGISTER there, shows no registration of the node gone since the first one. Where two nodes are
one nexus, what is registered there with one node's key is that node's.

Needs no disk, but for test_reality the lab.
"""
