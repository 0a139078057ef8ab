"""Finds faces and their 68 landmarks; shared by the services that read photos and that make portraits talk."""

from services.common.faces.finder import Face, FaceFinder

__all__ = ["Face", "FaceFinder"]
