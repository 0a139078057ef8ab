"""Turns published TensorFlow.js and PyTorch weights into the small ONNX files under ``weights/``."""
