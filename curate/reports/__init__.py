"""What a run leaves for people: the report, the dataset card, lineage events, and the story of one document."""
