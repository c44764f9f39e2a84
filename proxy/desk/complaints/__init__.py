"""Leads complaint cases from filing to decision."""
