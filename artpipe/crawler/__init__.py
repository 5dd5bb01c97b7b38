"""The polite HTTP client: pace, robots.txt, conditional requests, one outcome for each request."""
