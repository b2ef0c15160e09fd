"""Mail on to other servers: what is queued is claimed and sent, and what became of it is kept and told."""
