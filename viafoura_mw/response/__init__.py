"""What happens to one response: its request, its head, its cookie and the exchange that decides."""
