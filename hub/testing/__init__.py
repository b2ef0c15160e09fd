"""The test kit of plugin authors: real hubs, contract suites, recorders."""
