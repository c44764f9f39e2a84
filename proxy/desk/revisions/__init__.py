"""Sets of rules: drafted, approved, deployed, rolled back."""
