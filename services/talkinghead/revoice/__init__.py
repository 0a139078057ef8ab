"""A video is voiced anew: its lips are edited, everything else is kept."""
