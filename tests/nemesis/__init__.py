"""A nemesis for a whole cluster: random outages and faults, judged by what is on the disks. In CI a few rounds only.

Needs the lab.

plan      a round: who fails, and what else goes wrong (pure, from a seed)
history   what happened, as data (pure)
checker   which promises a history breaks; it knows no agent (pure)
world     one guest with the nodes and their disks, and every fault done to them
fencer    plays a round: what a cluster does about an outage, with its retries and time limits
shrink    the shortest round that still breaks the same promise
record    the table and the file of what was seen
plot      a round as a picture (pure)

`make nemesis ARGS="--rounds 100 --seed 7 --agent fence_scsi"`
"""
