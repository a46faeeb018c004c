"""The ground: what every stage stands on, and what knows no stage."""
