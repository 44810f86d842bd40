"""The measured comparisons, each with its peers."""
