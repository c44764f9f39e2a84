"""What compliance staff work with, one folder a feature."""
