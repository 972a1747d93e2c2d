"""Frame formats, inferences, geometry and messages: plain values, standard library and numpy only."""
