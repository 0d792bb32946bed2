"""A live watch for the people at a table of wells: photos in, verdicts and alarms on a page."""
