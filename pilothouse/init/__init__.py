"""`pilot init` and `pilot join`: phases after kubeadm's, each of which can be run alone and run again.

A phase makes what is missing and leaves what is there, so a run that was broken off is finished by running it again.
"""
