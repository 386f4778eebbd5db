"""Users, roles and permissions of etcd v3.

state        who there is and what each may do: a pure state machine
ranges       the keys that a user may read, or write
check        which permissions a request needs
passwords    hashes, off the event loop
tokens       what Authenticate hands out: random names, or signed with a key (jwt)
access       who calls, and whether they may: what the services ask
"""
