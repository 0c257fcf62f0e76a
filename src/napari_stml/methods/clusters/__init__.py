"""Groups of spots: found, numbered, kept in step, judged."""
