"""Models: how they are started, asked, and their answers kept."""
