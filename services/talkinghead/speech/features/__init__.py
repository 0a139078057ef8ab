"""What a model hears of the speech: 50 feature vectors a second, one file for each kind."""
