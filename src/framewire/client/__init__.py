"""The camera side of the contract, as a library."""
