"""Pipelines: what the retired edge module did with a topology, node by node."""
