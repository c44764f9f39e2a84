"""Complaint cases from filing to decision."""
