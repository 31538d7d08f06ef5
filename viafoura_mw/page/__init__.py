"""A page's bytes: looked through for the platform's start tag, and passed on with a session set in it."""
