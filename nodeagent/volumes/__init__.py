"""Volumes: what a pod's containers find under their mount paths.

`payload` decides which files a volume has, `atomic` writes them so that a reader never sees half of a change, `mounts`
says what of them a container sees, and `manager` does it all for a pod.
"""
