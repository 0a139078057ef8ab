"""Talking footage made ready for training: real videos and rendered heads, in the same shards."""
