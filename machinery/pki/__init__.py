"""Certificates as clients and servers use them: loading, reloading, asking the cluster for one, storing it.

Who issues certificates (an authority) is the composition's matter, and the signing controller's.
"""
