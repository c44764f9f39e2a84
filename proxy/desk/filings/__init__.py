"""Tasks, import and export of filings: signatures, licences, ports and their users."""
