"""Many live pipelines, kept going: what is stored, the direct methods, and a process for each."""
