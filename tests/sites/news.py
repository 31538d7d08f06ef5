"""What every site of the matrix serves: the same page, the same style sheet, the same readers."""

from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import parse_qs

TAG = b'<script id="viafoura-platform" src="https://cdn.viafoura.net/entry/index.js" async></script>'
STYLE = b"body { font: 1.1rem/1.5 Georgia, serif; margin: 3rem auto; max-width: 40rem }\n"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Reader:
    """A user of the site, made of a number."""

    number: int

    @property
    def id(self) -> str:
        """By what the site knows them."""
        return str(1000 + self.number)

    @property
    def name(self) -> str:
        """The name that they have given."""
        return f"Reader {self.number}"

    @property
    def email(self) -> str:
        """Their address."""
        return f"reader-{self.number}@news.example"


def reader_of(number: str | None) -> Reader | None:
    """The reader whose number a form, a session or a cookie has."""
    return Reader(int(number)) if number else None


def page(reader: Reader | None) -> bytes:
    """The news, for a reader or for anybody."""
    greeting = f"Signed in as {reader.name} ({reader.id})" if reader else "Sign in to comment"
    story = "<p>The first trams crossed the harbour bridge this morning.\n" * 40
    return (
        b'<!doctype html>\n<html lang="en">\n<title>The Gazette</title>\n<link rel="stylesheet" href="/style.css">\n'
        + f"<p>{greeting}\n<h1>The harbour bridge opens — at last</h1>\n{story}".encode()
        + TAG
        + b"\n</html>\n"
    )


def pieces(body: bytes) -> list[bytes]:
    """A page as it streams: in three pieces, its tag cut in two."""
    cut = body.index(TAG) + 12
    return [body[:200], body[200:cut], body[cut:]]


def etag(body: bytes) -> str:
    """A strong validator of a body."""
    return f'"{sha256(body).hexdigest()[:20]}"'


@dataclass(frozen=True)
class Reply:
    """A whole answer, for the sites that have no framework to make it."""

    status: str
    headers: list[tuple[str, str]]
    body: list[bytes]


def reply(method: str, path: str, reader: Reader | None, if_none_match: str, sent: bytes, media_type: str) -> Reply:
    """Answer a request, by hand."""
    match (method, path):
        case ("GET" | "HEAD", "/"):
            return _conditional(method, page(reader), HTML, if_none_match)
        case ("GET" | "HEAD", "/style.css"):
            return _conditional(method, STYLE, "text/css", if_none_match)
        case ("GET", "/live"):
            return Reply("200 OK", [("Content-Type", HTML)], pieces(page(reader)))
        case ("POST", "/sign-in"):
            number = parse_qs(sent.decode())["reader"][0]
            headers = [("Location", "/"), ("Content-Length", "0"), ("Set-Cookie", f"reader={number}; Path=/; HttpOnly")]
            return Reply("303 See Other", headers, [b""])
        case ("POST", "/echo"):
            return Reply("200 OK", [("Content-Type", media_type), ("Content-Length", str(len(sent)))], [sent])
    body = b"<!doctype html><title>Not found</title><p>There is no such page.\n"
    return Reply("404 Not Found", [("Content-Type", HTML), ("Content-Length", str(len(body)))], [body])


def _conditional(method: str, body: bytes, media_type: str, if_none_match: str) -> Reply:
    if etag(body) == if_none_match:
        return Reply("304 Not Modified", [("ETag", etag(body))], [])
    headers = [("Content-Type", media_type), ("Content-Length", str(len(body))), ("ETag", etag(body))]
    return Reply("200 OK", headers, [] if method == "HEAD" else [body])
