"""etcdlite beside a real etcd: what an operation costs, how it feels to one client, what it leaves in memory.

wire        a gRPC client so light that it is not what is measured
driver      the load, in a process of its own
sides       the stores to measure, as processes and in this one
figures     CPU, memory and the disk's own speed, read from the system
rates       operations per second and their CPU
watches     one event to ten thousand watches
growth      memory after many writes, and how long writes stall while history is removed
"""
