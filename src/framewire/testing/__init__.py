"""Public kit for those who test processors and servers of the contract."""
