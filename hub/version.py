"""The one version number of the monorepo; every distribution's build reads this file."""

__version__ = "0.1.0"
