"""What a photo costs, how the published way compares, and what is found and answered against the truth."""
