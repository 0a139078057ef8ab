"""How good made talking heads are: measured on real clips, beside the truth and beside trivial answers."""
