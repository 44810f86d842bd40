"""What is kept of every decision: runs and versions in MLflow, cards, bills of materials, and training a version again."""
