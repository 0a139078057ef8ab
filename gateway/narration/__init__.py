"""A photo's people and how they relate, as words for a voice."""
