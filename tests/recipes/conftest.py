"""What the recipes' tests have in common asserts, and says why as a test does."""

import pytest

pytest.register_assert_rewrite("tests.recipes.stacks")
