"""The rotator: finds the keys that are due and replaces them."""
