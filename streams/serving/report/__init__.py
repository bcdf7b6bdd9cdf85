"""The result of a period written down: from the read model, as a spreadsheet, as CSV and as a page."""
