"""Every shipped config loads, checks, and means what it says."""
