"""Families of vision-language networks, one file each: how they look at a picture and how they begin an answer."""
