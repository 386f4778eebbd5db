"""What the server fills in when a user leaves it out: pure functions over whole objects, one file per group.

Each changes its argument in place. They run on every write, after decoding and before admission, so they must leave an
object alone that has been through them. Source of the values: kube-apiserver's versioned defaults.
"""
