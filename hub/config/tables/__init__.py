"""Every table of the hub's own configuration, a module for each that belong together."""
