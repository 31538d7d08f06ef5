"""Sign a site's own signed-in users in to Viafoura, from outside the site's code."""
