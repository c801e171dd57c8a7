"""Bytes of a page to normalised text, its language, and its words."""
