"""In the browser: a script of the site's own origin that asks who is reading, and sets the pair on the tag."""
