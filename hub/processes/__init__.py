"""Many processes as one hub: a supervisor that only forks and asks, and workers that serve."""
