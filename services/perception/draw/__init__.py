"""Pictures for people, and for models that are shown who is who."""
