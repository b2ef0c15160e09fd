"""Cannot be imported."""
from hub import hookimpl

LIMIT = int("many")
