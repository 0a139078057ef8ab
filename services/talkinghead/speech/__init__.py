"""From a voice to facial actions: mel spectrogram, speech encoder, action head, windows for the denoiser."""
