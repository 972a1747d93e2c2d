"""Pixels: shared memory, leases, raw layouts, decoding and encoding."""
