"""Video frames in, inferences out."""
