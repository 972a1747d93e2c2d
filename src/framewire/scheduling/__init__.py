"""Which frame goes to which worker when: planner, batcher, workers."""
