"""Metrics under etcd's names: plain numbers where things happen, put into words when somebody asks."""
