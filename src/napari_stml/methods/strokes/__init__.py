"""Learning classes from a few labelled observations."""
