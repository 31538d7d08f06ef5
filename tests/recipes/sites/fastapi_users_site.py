"""fastapi-users over SQLAlchemy, with a cookie and a signed token, as the recipe has it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend, CookieTransport
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import StaticPool
from strategy import DetailedStrategy

from tests.recipes.common import COUNTED, SECRET, TAG, count_sql

engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    name: Mapped[str] = mapped_column(default="Ann")


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    pass


async def get_user_manager() -> AsyncIterator[UserManager]:
    async with sessions() as session:
        yield UserManager(SQLAlchemyUserDatabase(session, User))


backend: Any = AuthenticationBackend(
    name="jwt",
    transport=CookieTransport(cookie_secure=False),
    get_strategy=lambda: DetailedStrategy(secret=SECRET, lifetime_seconds=3600),
)
users = FastAPIUsers[User, uuid.UUID](get_user_manager, [backend])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions() as session:
        password = PasswordHelper().hash("secret")
        session.add(User(id=uuid.UUID(int=7), email="ann@site.example", hashed_password=password, is_active=True))
        await session.commit()
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: count_sql(args[2]))
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.include_router(users.get_auth_router(backend), prefix="/auth/jwt")
current_user = Annotated[User | None, Depends(users.current_user(optional=True))]


@app.get("/")
@app.get("/bare/")
async def page(user: current_user) -> HTMLResponse:
    return HTMLResponse(TAG)


@app.get("/json")
@app.get("/bare/json")
async def data(user: current_user) -> dict[str, str]:
    return {"text": TAG}


@app.get("/seen")
async def seen() -> dict[str, int]:
    return dict(COUNTED)
