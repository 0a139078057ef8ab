"""Where files and work in progress are kept: in a folder, or in a bucket of an object store (S3)."""
