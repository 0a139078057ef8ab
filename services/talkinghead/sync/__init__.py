"""Do lips and sound go together? By an expert of ours, and by the field's."""
