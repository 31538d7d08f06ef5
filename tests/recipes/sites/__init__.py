"""The sites of the recipes: each is an old site as it is found, and knows nothing of the middleware.

Each answers ``/`` with a page and ``/json`` with what is none, both a second time below ``/bare``, where the middleware
is told to leave them alone; ``/in`` and ``/out`` sign Ann in and out; ``/seen`` says how often users or sessions were
read from and written to a store.
"""
