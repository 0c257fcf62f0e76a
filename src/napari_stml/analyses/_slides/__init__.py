"""Parts of the slide's analyses: inputs, features, live views."""
