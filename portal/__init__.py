"""The pages. Views read selectors and call the same functions as the API."""
