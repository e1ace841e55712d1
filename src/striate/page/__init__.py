"""One look for all: a report as a page, as text for a terminal, as a snippet for a notebook."""
