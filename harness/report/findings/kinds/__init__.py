"""A module for each kind of sentence; a kind imports no other kind."""
