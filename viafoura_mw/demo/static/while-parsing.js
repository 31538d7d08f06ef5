"use strict";
// A page's own script right behind the tag: it runs while the page is being parsed, and sees the values already.
window.seenWhileParsing = {
  parsing: document.readyState === "loading",
  ...document.querySelector("#viafoura-platform").dataset,
};
