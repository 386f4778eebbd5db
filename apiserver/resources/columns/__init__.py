"""The columns of each kind's Table, as `kubectl get` shows them: kube-apiserver's names, order, priorities and cells.

One file per group; pods and nodes have their own. Cells are pure functions of the object, a few of object and time.
"""
