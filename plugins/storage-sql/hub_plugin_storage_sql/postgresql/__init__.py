"""What PostgreSQL does in its own way. Needs asyncpg and greenlet, the extra `postgresql`."""
