"""A still portrait is made to talk."""
