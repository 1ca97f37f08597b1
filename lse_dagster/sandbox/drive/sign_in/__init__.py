"""Google's sign-in of the sandbox: consent screen, token endpoint, metadata server."""
