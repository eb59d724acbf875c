"""The local stack: an embedded PostgreSQL, a broker, and our own processes, on one machine."""
