"use strict";
// What is behind the page: its tag, its time, and the calls that the simulated Viafoura received, live.

const INTERVAL = 1000; // milliseconds between two looks at the calls
const SHOWN = 6; // calls

const element = (name, text, properties = {}) =>
  Object.assign(document.createElement(name), { textContent: text }, properties);

const showTag = () => {
  const code = document.querySelector("#tag code");
  const tag = document.querySelector("#viafoura-platform");
  if (!tag) {
    code.textContent = "none on this page,\nso nothing is asked of Viafoura";
    return;
  }
  code.textContent = "<script";
  for (const { name, value } of tag.attributes) {
    const text = value ? `${name}="${value}"` : name;
    code.append("\n  ", element(name.startsWith("data-") ? "mark" : "span", text));
  }
  code.append(">");
};

const showWhileParsing = () => {
  const seen = window.seenWhileParsing;
  if (!seen) return;
  const same = seen.uid === document.querySelector("#viafoura-platform").dataset.uid;
  const pair = seen.uid && seen.sid ? "both values" : "no values";
  const row = document.querySelector("#while-parsing");
  row.textContent = seen.parsing && same ? pair : "not what is there now";
  row.parentElement.hidden = false;
};

const showServed = () => {
  const [{ requestStart, responseEnd }] = performance.getEntriesByType("navigation");
  const taken = responseEnd - requestStart;
  const text = taken < 1000 ? `${Math.round(taken)} ms` : `${(taken / 1000).toFixed(1)} s`;
  document.querySelector("#served").textContent = text;
};

const showCalls = (calls) => {
  if (!calls.length) return;
  const rows = calls.reverse().slice(0, SHOWN).map(({ at, name, about, status }) => {
    const row = element("li", "");
    const outcome = element("span", status || "no answer", { className: status === 200 ? "status" : "status bad" });
    row.append(element("time", at), element("strong", name), outcome, element("span", about, { className: "about" }));
    return row;
  });
  document.querySelector("#calls").replaceChildren(...rows);
};

// What a page that is the same for everybody cannot know when it leaves the site.
const showShared = ({ mood, hint, cache }) => {
  const place = document.querySelector("#tally");
  if (!place) return;
  place.textContent = `${cache.served} of ${cache.asked}`;
  document.querySelector(".hint").textContent = hint;
  document.querySelectorAll(".moods button").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.value === mood));
  });
};

const look = async () => {
  try {
    const behind = await (await fetch("/behind/calls")).json();
    showCalls(behind.calls);
    showShared(behind);
  } catch {
    // The demo has ended, or is about to answer again: the next look will tell.
  }
  setTimeout(look, INTERVAL);
};

const showCameFrom = () => {
  const [{ serverTiming = [] }] = performance.getEntriesByType("navigation");
  const place = document.querySelector("#came-from");
  const cache = serverTiming.find(({ name }) => name === "cache");
  if (place && cache) place.textContent = cache.description;
};

showTag();
showWhileParsing();
showCameFrom();
const tag = document.querySelector("#viafoura-platform");
if (tag) new MutationObserver(showTag).observe(tag, { attributes: true });
window.addEventListener("load", showServed);
look();
