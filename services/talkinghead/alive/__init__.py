"""What a living head does beside speaking: it blinks and sways. Each frame's state depends on seed and number alone."""
