"""One file per built-in processor."""
