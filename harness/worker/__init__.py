"""One rank of a session: it prepares the cells that it is given, measures them, and writes raw records."""
