"""What stops a training run."""


class TrainError(RuntimeError):
    """The run cannot start or go on; the message says why and what to do. What was saved before is whole."""
