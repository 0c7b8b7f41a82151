"""The world: each folder fits one kind of database to the core's ports, and none knows another."""
