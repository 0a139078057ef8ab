"""Tells owners' servers that a job has come to its end, by the Standard Webhooks specification."""
