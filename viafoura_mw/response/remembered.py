"""Answers that are remembered for short texts only, so that no visitor decides how much memory they take."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
_OfText = Callable[Concatenate[str, _P], _T]


def for_short_texts(entries: int, *, longest: int) -> Callable[[_OfText[_P, _T]], _OfText[_P, _T]]:
    """Remember what a function of a text answers, ``entries`` times, for texts of at most ``longest`` characters."""

    def remembering(function: _OfText[_P, _T]) -> _OfText[_P, _T]:
        remembered: _OfText[_P, _T] = lru_cache(entries)(function)

        @wraps(function)
        def answer(text: str, /, *arguments: _P.args, **named: _P.kwargs) -> _T:
            return (function if len(text) > longest else remembered)(text, *arguments, **named)

        return answer

    return remembering
