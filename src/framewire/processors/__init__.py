"""The API that a user implements, the loader, and the built-in processors."""
