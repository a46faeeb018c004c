"""A plain script of each framework, as its users write theirs; run by that framework's Python, down to 3.6."""
