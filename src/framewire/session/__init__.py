"""The state machine of one stream, without I/O, for both roles."""
