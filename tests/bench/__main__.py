"""``python -m tests.bench NAME [options]`` runs the benchmark of that name."""

import importlib
import pkgutil
import sys

import tests.bench

# Modules that serve the benchmarks and are none.
_SHARED = frozenset({"__main__", "pages", "plot"})


def main() -> int:
    """Run one benchmark; without a name, say which there are."""
    names = sorted({module.name for module in pkgutil.iter_modules(tests.bench.__path__)} - _SHARED)
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        print(f"usage: python -m tests.bench {{{','.join(names)}}} [options]")
        return 2
    importlib.import_module(f"tests.bench.{sys.argv[1]}").main(sys.argv[2:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
