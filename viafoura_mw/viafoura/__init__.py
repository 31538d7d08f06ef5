"""Viafoura's API, and when it is asked: tokens, logins and logouts, and the policy around them."""
