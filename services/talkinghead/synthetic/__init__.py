"""Talking heads made of known parts: voices with phone times, facial actions, a parametric head, a renderer.

Everything that the shipped weights were trained on comes from here. Needs the extra ``synthetic`` and the programs
``espeak-ng`` (library) and, for training the speech network, ``flite``.
"""
