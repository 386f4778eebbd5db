"""`pilot join`: a host becomes a node with nothing but a token and the hash of the authority's public key."""
