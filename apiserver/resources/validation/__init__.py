"""What is wrong with an object, in kube-apiserver's words: pure functions, one file per group.

Each answers a list of `FieldError`, empty when all is well. They run after decoding and defaulting, so types are right
and defaults are there; a field that the defaults do not fill may be absent, which reads like its empty value.
Paths are upstream's (`spec.containers[0].image`), for clients and people alike match on them.
"""
