"""What says that a video was made here: content credentials (C2PA), a watermark, and the audit log."""
