"""Who the user is: where a site keeps the user whom it has authenticated, and how that is read."""
