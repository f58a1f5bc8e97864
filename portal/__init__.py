"""The pages. Views read forms and selectors and call one function each; what they call, the API calls too."""
