// Asks the site who is reading, tells Viafoura's script before that starts, and keeps the two sign-ins in step.
// It is served without its comments and indentation, which are here for you: a comment has a line of its own.
// The syntax is ECMAScript 5: a browser that lacks what is needed here still parses it, and runs what was held.
(function () {
  "use strict";
  if (typeof window.viafouraBridge === "function") return window.viafouraBridge();

  var settings = SETTINGS;
  var MARK = "viafoura_mw", ID = "viafoura-platform";
  var PARKED = "text/x-viafoura-parked", OWN_TYPE = "data-viafoura-type";
  // Answers without a pair; one with a pair is {user_id, session}.
  var NOBODY = {}, UNKNOWN = {};

  // What the held scripts wait for.
  var isAsking, isDecided, decision, settle;
  // Viafoura's tag, once released; what this page carries; the user of whom the page was last told.
  var tag, pair = null, told = null;
  // The scripts that are being fetched, and those that were released.
  var fetched = [], released = [];
  // The questions that come later. A stale page carried another user's pair.
  var askedAt = 0, due, latest = 0, isStale;
  // Viafoura's script, once it is ready.
  var viafoura, settleReady, ready, metAt, isTouched, isWanting;

  if (!window.fetch || !window.Promise || !window.crypto || !crypto.getRandomValues) {
    document.addEventListener("readystatechange", release);
    return release();
  }
  window.viafouraBridge = start;
  window.viafouraSession = new Promise(function (resolve) { settle = resolve; });
  ready = new Promise(function (resolve) { settleReady = resolve; });
  start();

  // A second copy of this script calls it too, as does one in a body that was exchanged or a document opened anew.
  function start() {
    // An element of such a name would be a property of the document, and no true.
    if (document.prerendering === true) return document.addEventListener("prerenderingchange", start);
    // A listener is not added twice; document.open() takes all away.
    document.addEventListener("readystatechange", look);
    document.addEventListener("visibilitychange", notice);
    document.addEventListener("turbo:before-cache", park);
    addEventListener("pageshow", notice);
    addEventListener("storage", notice);
    addEventListener("click", touch, true);
    addEventListener("keydown", touch, true);
    if (isAsking || isDecided && !document.querySelector("#" + ID + '[type="' + PARKED + '"]')) return;
    if (isDecided) window.viafouraSession = new Promise(function (resolve) { settle = resolve; });
    else setInterval(seek, 500);
    isAsking = true;
    isDecided = tag = null;
    decision = ask("session").then(decide);
    look();
    quietly(function () { (window.vfQ = window.vfQ || []).push(meet); });
  }

  function quietly(act) {
    try { return act(); } catch (error) {}
  }

  function tell(state) {
    document.dispatchEvent(new CustomEvent("viafoura-mw", {detail: {state: state, user_id: told}}));
  }

  // The address is a setting, and {next} a path: neither names a host of somebody else's.
  function go(url) {
    var here = location.pathname.replace(/^\/+/, "/") + location.search + location.hash;
    if (url) location.assign(new URL(url.split("{next}").join(encodeURIComponent(here)), location));
  }

  // Asking.

  function ask(what) {
    var echo = "viafoura-mw-" + crypto.getRandomValues(new Uint32Array(4)).join("-");
    if (what === "session" && !isHinted()) return Promise.resolve(NOBODY);
    askedAt = Date.now();
    return new Promise(function (resolve) {
      setTimeout(resolve, settings.wait, UNKNOWN);
      Promise.resolve().then(function () {
        return fetch(location.origin + settings.path + what, {
          method: "POST", headers: {"X-Viafoura-Bridge": echo},
          mode: "same-origin", credentials: "same-origin", cache: "no-store", redirect: "error"
        });
      }).then(function (response) {
        return response.status === 200 && response.json();
      }).then(function (answer) {
        // An answer to another question, which some cache kept, is none.
        var state = answer["for"] === echo && answer.state;
        if (state === "nobody") resolve(NOBODY);
        if (state !== "signed-in" || !isText(answer.user_id) || !isText(answer.session)) resolve(UNKNOWN);
        resolve({user_id: answer.user_id, session: answer.session});
      }).catch(function () { resolve(UNKNOWN); });
    });
  }

  function isText(value) {
    return value && typeof value === "string";
  }

  function isHinted() {
    return !settings.hint.length || mark() || settings.hint.some(function (name) {
      return quietly(function () { return ("; " + document.cookie).indexOf("; " + name + "=") >= 0; });
    });
  }

  // The user whose pair was last set in this browser. Storage that throws is as if empty.
  function mark(user) {
    return quietly(function () {
      if (user) localStorage[MARK] = user;
      if (user === null) delete localStorage[MARK];
      return localStorage[MARK];
    });
  }

  // The held scripts.

  function parked() {
    return [].slice.call(document.querySelectorAll('script[type="' + PARKED + '"]'));
  }

  function look() {
    if (isDecided) release();
    else parked().forEach(function (script) { quietly(function () { preload(script); }); });
  }

  function preload(script) {
    var link = document.createElement("link");
    if (!script.src || fetched.indexOf(script) >= 0) return;
    fetched.push(script);
    link.rel = /^\s*module\s*$/i.test(script.getAttribute(OWN_TYPE)) ? "modulepreload" : "preload";
    link.as = "script";
    ["crossorigin", "integrity", "referrerpolicy", "fetchpriority"].forEach(function (name) {
      if (script.hasAttribute(name)) link.setAttribute(name, script.getAttribute(name));
    });
    link.nonce = script.nonce;
    link.href = script.src;
    document.head.appendChild(link);
  }

  function decide(answer) {
    isAsking = false;
    isDecided = true;
    carry(answer.session ? answer : null);
    if (pair) mark(pair.user_id);
    settle(pair);
    release();
    if (answer === NOBODY && mark()) leave();
    told = pair && pair.user_id;
    tell(pair ? "signed-in" : answer === NOBODY ? "nobody" : "unknown");
  }

  function carry(answer) {
    pair = answer;
    if (tag) bare(tag);
    if (tag && pair) {
      tag.setAttribute("data-uid", pair.user_id);
      tag.setAttribute("data-sid", pair.session);
    }
  }

  function bare(script) {
    script.removeAttribute("data-uid");
    script.removeAttribute("data-sid");
  }

  function release() {
    parked().forEach(function (script) {
      var parent = script.parentNode, next = script.nextSibling, type = script.getAttribute(OWN_TYPE);
      // One that the parser has not finished starts when it has: the HTML Standard's parser document.
      if (!parent) return;
      if (!tag && script.id === ID) {
        tag = script;
        carry(pair);
      }
      if (type === null) script.removeAttribute("type");
      else script.setAttribute("type", type);
      script.removeAttribute(OWN_TYPE);
      // Those that have an order keep it.
      if (!script.hasAttribute("async")) script.async = false;
      released.push(script);
      parent.removeChild(script);
      parent.insertBefore(script, next);
    });
  }

  // Turbo keeps a copy of the body for the way back: without the pair, and held.
  function park() {
    released.splice(0).forEach(function (script) {
      if (script.hasAttribute("type")) script.setAttribute(OWN_TYPE, script.getAttribute("type"));
      script.setAttribute("type", PARKED);
      bare(script);
    });
  }

  // Viafoura's script. An element with such an id is a global too.

  function api() {
    return [window.vf, window.viafoura].filter(function (found) {
      return found && (found.$subscribe || found.ready);
    })[0];
  }

  function seek() {
    var found = api();
    if (found && found !== viafoura) quietly(function () {
      if (found.$subscribe) (window.vfQ = window.vfQ || []).push(meet);
      else found.ready(meet);
    });
  }

  function meet() {
    var found = api();
    if (found && found !== viafoura) quietly(function () {
      viafoura = found;
      metAt = Date.now();
      isTouched = false;
      settleReady();
      if (found.$subscribe) found.$subscribe("authentication", "logout", loggedOut);
      else found.subscribe("onLogoutSuccess", loggedOut);
      if (!settings.login) return;
      if (found.$subscribe) found.$prepublish(prepublish);
      else found.subscribe("onLoginRequired", want);
    });
  }

  // What the script tells while it starts is nobody's doing: a person has touched the page since.
  function isMeant() {
    var activation = navigator.userActivation;
    return isTouched || activation && activation.hasBeenActive && Date.now() - metAt > 5000;
  }

  function touch(event) {
    isTouched = isTouched || event.isTrusted;
  }

  function loggedOut() {
    if (!pair || !isMeant()) return;
    carry(null);
    ask("logout").then(function () {
      told = null;
      tell("left");
      go(settings.logout);
    });
  }

  // Ends the session that Viafoura's script keeps in this browser, unless somebody else has signed in meanwhile.
  function leave() {
    var former = mark();
    ready.then(function () {
      return mark() === former && viafoura.session.logout();
    }).then(function () {
      if (mark() === former) mark(null);
    }).catch(function () {});
  }

  function prepublish(channel, event) {
    var args = [].slice.call(arguments, 2), isWish = event === "required" || event === "needed";
    if (channel !== "authentication" || !isWish) return {channel: channel, event: event, args: args};
    want();
    quietly(function () { viafoura.$publish("tray", "close"); });
    return false;
  }

  // Without a person's doing it goes nowhere, and a page is loaded again once at most.
  function want() {
    var mine = pair, isGoing = isMeant(), entry = performance.getEntriesByType("navigation")[0];
    if (isWanting) return;
    isWanting = true;
    tell("wanted");
    (mine ? ask("session?renew") : Promise.resolve(NOBODY)).then(function (answer) {
      setTimeout(function () { isWanting = false; }, 1000);
      if (!isGoing && (!entry || entry.type === "reload")) return;
      if (mine && answer.session && answer.session !== mine.session) location.reload();
      else if (isGoing) go(settings.login);
    });
  }

  // Other tabs, back and forward.

  function notice(event) {
    var isOld = pair && Math.abs(Date.now() - askedAt) > 60000;
    if (isStale && !document.hidden) location.reload();
    else if (event.persisted || event.key === MARK || event.key === null || isOld && !document.hidden) askAgain();
  }

  function askAgain() {
    if (!due) due = setTimeout(function () {
      var number = ++latest;
      due = 0;
      decision.then(function () { return ask("session"); }).then(function (answer) {
        if (number === latest) compare(answer);
      });
    }, Math.min(1000, askedAt + 1000 - Date.now()));
  }

  function compare(answer) {
    var mine = pair, user = answer.user_id || null;
    if (answer === UNKNOWN || user === told) return;
    told = user;
    carry(null);
    if (mine && !user && (mark() || mine.user_id) === mine.user_id) leave();
    tell(user ? "changed" : "nobody");
    isStale = isStale || mine && user;
    notice({});
  }
}());
