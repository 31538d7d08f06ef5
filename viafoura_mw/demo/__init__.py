"""A small news site with a sign-in form, wrapped by the middleware, beside a simulated Viafoura: the demo.

The site knows nothing of the middleware. It authenticates its readers by a session cookie of its own, and says who
signed in as any site does: under WSGI in the environ, under ASGI in the scope.
"""
