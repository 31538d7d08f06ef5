"""The sites that the matrix serves: one news page each, made as their frameworks make it, that know nothing of us."""
