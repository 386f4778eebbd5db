"""Request bodies in Kubernetes' protobuf encoding, read into JSON.

kubectl from 1.32 on sends what it creates in protobuf whatever it was told to prefer, and does not ask again in JSON.
Answers are always JSON, which every such client takes.
"""
