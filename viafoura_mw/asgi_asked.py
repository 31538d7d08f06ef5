"""An ASGI application that is asked who is reading: its request is empty, and its body is thrown away."""

from typing import Final

from starlette.types import Message, Receive, Send

from viafoura_mw.asgi_messages import START, bytes_of

#: Messages and bytes of an answer to the bridge's own question after which an application that streams is told that
#: nobody is there any more.
MOST_MESSAGES: Final = 1000
MOST_BYTES: Final = 1024 * 1024


class Asked:
    """What the application receives and sends in place of the server's ``receive`` and of the response's ``send``."""

    __slots__ = (
        "_dropped",
        "_has_answered",
        "_has_asked",
        "_messages",
        "_response_send",
        "_server_receive",
        "is_told_off",
    )

    def __init__(self, response_send: Send, receive: Receive) -> None:
        self._response_send = response_send
        self._server_receive = receive
        self._has_asked = False
        self._has_answered = False
        self._messages = 0
        self._dropped = 0  # bytes
        self.is_told_off: bool = False  # it went on and on, and was told that nobody is there

    async def receive(self) -> Message:
        """An empty request; then, when it comes, the disconnect."""
        if not self._has_asked:
            self._has_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while True:
            message = await self._server_receive()
            if message["type"] != "http.request":
                return message

    async def send(self, message: Message) -> None:
        """Take the head, and drop all else; raises ``OSError``, as servers do, where that does not end."""
        self._has_answered = self._has_answered or message["type"] == START
        if self._has_answered:
            await self._response_send(message)
        self._messages += 1
        self._dropped += len(bytes_of(message.get("body")) or b"")
        if self._messages > MOST_MESSAGES or self._dropped > MOST_BYTES:
            self.is_told_off = True
            raise OSError("the answer was thrown away")
