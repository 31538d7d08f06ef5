"""``python -m tests.layers`` prints the import graph of the package from its code: each room, and whom it imports."""

from tests.project.test_layers import LEVELS, MODULES, _imports, _room


def main() -> None:
    """One line for each room, from the ground up."""
    for level, room in sorted((level, room) for room, level in LEVELS.items()):
        names = [name for name in MODULES if _room(name) == room]
        others = {_room(other) for name in names for other in _imports(name) if other in MODULES}
        imported = ", ".join(sorted(others - {room, ""}, key=lambda other: (LEVELS.get(other, -1), other)))
        print(f"{level:>2}  {room:<26} {imported}")


if __name__ == "__main__":
    main()
