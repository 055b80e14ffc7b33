"""A small world in which the two functions live: AWS by moto, a clock that obeys, and faults that strike on order."""
