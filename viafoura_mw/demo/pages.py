"""The site's pages: pure functions from what is to be shown to HTML; every text in them is escaped.

Nothing is inline, neither script nor style, so that the pages work under ``Content-Security-Policy: default-src
'self'``.
"""

from dataclasses import dataclass
from html import escape
from typing import Final

from viafoura_mw.demo.readers import READERS, Reader
from viafoura_mw.demo.stories import STORIES, Comment, Story

NAME: Final = "The Quayside Courier"
OTHER_NAME: Final = "The Harbour Gazette"  # of the second of two sites in one process

#: What Viafoura can be made to do, with what a reader of the page will see of it.
MOODS: Final = {
    "well": "Viafoura answers at once.",
    "slow": "Viafoura takes five seconds. A page waits for two at most; the login goes on, for the next page.",
    "failing": "Viafoura answers every call with an error. Pages come whole, without a session.",
    "gone": "Viafoura refuses connections. Pages come whole, without a session.",
}


@dataclass(frozen=True, slots=True)
class View:
    """What every page shows: its own ``path``, who reads it, how Viafoura is, what the ``server`` is, whose it is.

    ``viafoura``: the origin of Viafoura's script, in a page that is one for everybody: who reads it, and how Viafoura
    is, its scripts find out. Empty in a page that is its reader's own.
    """

    path: str
    reader: Reader | None
    mood: str
    server: str
    name: str = NAME
    viafoura: str = ""


def front_page(view: View) -> str:
    """The stories, first the lead. It has no platform tag, so that Viafoura is not asked for it."""
    lead, *others = STORIES
    teasers = "".join(map(_teaser, others))
    main = f"""
<section class="lead">
  <p class="kicker">{escape(lead.section)}</p>
  <h1><a href="{escape(lead.path)}">{escape(lead.title)}</a></h1>
  <p class="standfirst">{escape(lead.summary)}</p>
  <p class="byline">By {escape(lead.byline)}</p>
</section>
<section class="teasers" aria-label="More stories">{teasers}</section>"""
    return _page(view, view.name, main)


def _teaser(story: Story) -> str:
    return f"""
<article>
  <p class="kicker">{escape(story.section)}</p>
  <h2><a href="{escape(story.path)}">{escape(story.title)}</a></h2>
  <p>{escape(story.summary)}</p>
</article>"""


def story_page(view: View, story: Story) -> str:
    """A story with its comments, and in them the platform tag as Viafoura's document has it: without a session."""
    paragraphs = "".join(f"<p>{escape(paragraph)}</p>\n" for paragraph in story.paragraphs)
    comments = "".join(map(_comment, story.comments))
    main = f"""
<article class="story">
  <p class="kicker">{escape(story.section)}</p>
  <h1>{escape(story.title)}</h1>
  <p class="standfirst">{escape(story.summary)}</p>
  <p class="byline">By {escape(story.byline)}</p>
  <div class="prose">
{paragraphs}</div>
</article>
<section class="comments" aria-labelledby="comments">
  <h2 id="comments">Comments</h2>
  {_widget(view)}
  <ol>{comments}</ol>
</section>"""
    return _page(view, f"{story.title} · {view.name}", main)


def _widget(view: View) -> str:
    """The place for Viafoura's widget, and the tag: of the simulated script, or of a stand-in of the site's own."""
    if view.viafoura:
        return f"""<div class="viafoura widget" id="widget" role="status">Comments are loading.</div>
  <script id="viafoura-platform" async src="{escape(view.viafoura)}/entry/index.js"></script>"""
    return f"""<p class="widget" id="widget" role="status">Comments are loading.</p>
  <p class="widget-action"><a href="{_sign_in_link(view)}">{"Change reader" if view.reader else "Sign in"}</a></p>
  <script id="viafoura-platform" src="/static/viafoura.js"></script>
  <script src="/static/while-parsing.js"></script>"""


def _comment(comment: Comment) -> str:
    hours = "an hour ago" if comment.hours == 1 else f"{comment.hours} hours ago"
    return f"""
<li>
  <p class="who">{_avatar(comment.name)}<strong>{escape(comment.name)}</strong> <span>{hours}</span></p>
  <p>{escape(comment.text)}</p>
</li>"""


def sign_in_page(view: View, back: str, problem: str = "") -> str:
    """The sign-in form: the readers to choose from, or any name; then on to ``back``."""
    choices = "".join(map(_choice, READERS))
    alert = f'<p class="problem" id="problem" role="alert">{escape(problem)}</p>' if problem else ""
    described = ' aria-describedby="problem" aria-invalid="true"' if problem else ""
    main = f"""
<section class="sign-in">
  <h1>Who is reading?</h1>
  <p class="standfirst">The paper has its own readers and needs no password of them. It has never heard of Viafoura’s
  sign-in.</p>
  <form method="post" action="/sign-in">
    <input type="hidden" name="back" value="{escape(back)}">
    <ul class="choices">{choices}</ul>
  </form>
  <form method="post" action="/sign-in">
    <input type="hidden" name="back" value="{escape(back)}">
    <label for="name">Or by any name</label>
    {alert}
    <p class="field"><input id="name" name="name" maxlength="60" autocomplete="nickname" required{described}>
    <button>Sign in</button></p>
  </form>
</section>"""
    return _page(view, f"Sign in · {view.name}", main)


def _choice(reader: Reader) -> str:
    return f"""
<li><button name="reader" value="{escape(reader.id)}">{_avatar(reader.name)}
  <span><strong>{escape(reader.name)}</strong> <small>{escape(reader.email or "no e-mail address")}</small></span>
</button></li>"""


def not_found_page(view: View) -> str:
    """The page for a path where nothing stands."""
    main = '<section class="lead"><h1>There is no such page</h1><p><a href="/">To the front page</a></p></section>'
    return _page(view, f"Not found · {view.name}", main)


def _page(view: View, title: str, main: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="/static/style.css">
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
{'<script src="/static/shared.js"></script>' if view.viafoura else ""}
<script src="/static/behind.js" defer></script>
</head>
<body>
<a class="skip" href="#main">To the story</a>
<header>
  <a class="name" href="/">{escape(view.name)}</a>
  {_who(view)}
</header>
<div class="columns">
<p class="jump"><a href="#behind">Behind this page ↓</a></p>
<main id="main">{main}
</main>
{_behind(view)}
</div>
<footer>
  <p>A made-up paper with made-up news: the demo of viafoura-mw, served by {escape(view.server)}.</p>
</footer>
</body>
</html>
"""


def _who(view: View) -> str:
    """Who reads; a page that is for everybody has both, and its script shows the one that is right."""
    link = f'<a class="button" href="{_sign_in_link(view)}">Sign in</a>'
    stranger = f'<p class="reader" id="stranger"><span>Not signed in</span> {link}</p>'
    if view.viafoura:
        return f"{stranger}\n  {_known(view, '', 'hidden')}"
    return _known(view, view.reader.name, "") if view.reader else stranger


def _known(view: View, name: str, hidden: str) -> str:
    return f"""<form class="reader" id="known" method="post" action="/sign-out" {hidden}>
    <input type="hidden" name="back" value="{escape(view.path)}">
    {_avatar(name)}<span id="reader">{escape(name)}</span>
    <button>Sign out</button>
  </form>"""


def _sign_in_link(view: View) -> str:
    return f"/sign-in?back={escape(view.path)}"


def _avatar(name: str) -> str:
    return f'<span class="avatar" aria-hidden="true">{escape(name[:1])}</span>'


def _behind(view: View) -> str:
    moods = "".join(_mood(mood, view.mood) for mood in MOODS)
    return f"""<aside aria-labelledby="behind">
  <h2 id="behind">Behind this page</h2>
  <section aria-labelledby="behind-tag">
    <h3 id="behind-tag">The tag, as this browser has it</h3>
    <pre id="tag"><code>needs JavaScript</code></pre>
    <dl>
{_FACTS_OF_ALL if view.viafoura else _FACTS_OF_ONE}
      <div><dt>Page served in</dt><dd id="served">–</dd></div>
    </dl>
  </section>
  <section aria-labelledby="behind-mood">
    <h3 id="behind-mood">Make Viafoura</h3>
    <form class="moods" method="post" action="/behind/mood">
      <input type="hidden" name="back" value="{escape(view.path)}">{moods}
    </form>
    <p class="hint">{escape(MOODS[view.mood])}{_how_to_see(view)}</p>
  </section>
  <section aria-labelledby="behind-calls">
    <h3 id="behind-calls">What Viafoura was asked</h3>
    <ol id="calls" class="calls"><li class="none">Nothing yet.</li></ol>
  </section>
</aside>"""


_FACTS_OF_ONE: Final = """\
      <div hidden><dt>Seen by a script while parsing</dt><dd id="while-parsing"></dd></div>"""
_FACTS_OF_ALL: Final = """\
      <div><dt>The bridge was told</dt><dd id="told">–</dd></div>
      <div><dt>Page came from</dt><dd id="came-from">–</dd></div>
      <div><dt>Pages that the cache served</dt><dd id="tally">–</dd></div>"""


def _how_to_see(view: View) -> str:
    if view.mood == "well":
        return ""
    who = "somebody else" if view.reader else "somebody"
    link = f'<a href="{_sign_in_link(view)}">sign in as {who}</a>'
    return f" Whoever has a session keeps it: {link} to see what happens."


def _mood(mood: str, present: str) -> str:
    pressed = "true" if mood == present else "false"
    return f'\n      <button name="mood" value="{mood}" aria-pressed="{pressed}">{mood}</button>'
