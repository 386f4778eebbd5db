"""What monitoring asks for over HTTP: metrics, health, version. On the clients' listeners as well, as etcd has it."""
