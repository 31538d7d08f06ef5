// Viafoura's script as far as it is known, for tests: it boots, knows its user, has a sign-in and a log-out, and offers
// no call that sites have not been seen to use. What it does where Viafoura's is not known, its switches say.
(() => {
  "use strict";

  const { api, origin, switches } = SETTINGS;
  const tag = document.querySelector("script#viafoura-platform");
  // For tests to look at.
  const nothing = { boots: [], events: [], ownSignIn: "closed", subscribed: [], broken: [] };
  const seen = (window.viafouraSimulated ??= nothing);
  let user = null;
  let session = null;

  const pair = () => {
    const { uid = "", sid = "" } = switches.reads_tag && tag ? tag.dataset : {};
    return { uid, sid };
  };
  const ask = async (what, body) => {
    const how = { method: "POST", credentials: "include", body: JSON.stringify(body) };
    return (await fetch(`${origin}/simulated/${what}`, how)).json();
  };
  const safely = (act, ...args) => {
    try {
      return act(...args);
    } catch (error) {
      seen.broken.push(String(error));
      return undefined;
    }
  };

  // Events. The old API's have one name; here they are ["", name].

  let subscribers = [];
  let prepublishers = [];

  const subscribe = (channel, event, act) => {
    subscribers.push({ channel, event, act });
    seen.subscribed.push(channel ? `${channel}/${event}` : event);
  };

  const publish = (channel, event, ...args) => {
    for (const each of prepublishers) {
      const passed = safely(each, channel, event, ...args);
      if (passed === false) return false;
      if (!passed || !Array.isArray(passed.args)) {
        seen.broken.push(`$prepublish gave no {channel, event, args} for ${channel}/${event}`);
        continue;
      }
      ({ channel, event, args } = passed);
    }
    seen.events.push([channel, event, ...args]);
    if (channel === "tray" && event === "close") seen.ownSignIn = "closed";
    const concerned = subscribers.filter((one) => one.channel === channel && one.event === event);
    concerned.forEach((one) => safely(one.act, ...args));
    return true;
  };

  const tell = (what, ...args) => publish(...(api === "old" ? ["", what.old] : what.new.split("/")), ...args);
  const LOGGED_IN = { old: "onLoginSuccess", new: "login/success" };
  const LOGGED_OUT = { old: "onLogoutSuccess", new: "authentication/logout" };
  const WANTED = { old: "onLoginRequired", new: `authentication/${switches.wants}` };

  const tellLogout = () => {
    for (let times = switches.logout_twice ? 2 : 1; times > 0; times -= 1) tell(LOGGED_OUT);
    if (api === "new") publish("logout", "success");
  };

  // What the widget's own sign-in does is open a window; a site that takes it over stops the event.
  const signIn = () => {
    if (tell(WANTED)) seen.ownSignIn = "open";
    show();
  };

  const logout = async (byCall) => {
    await ask("logout", pair());
    user = session = null;
    show();
    if (!byCall || switches.logout_by_call) tellLogout();
  };

  const boot = async () => {
    const read = pair();
    const answer = await ask("boot", read).catch(() => ({ user: null, session: null, dead: false }));
    ({ user, session } = answer);
    show();
    return answer;
  };

  const current = () => user ?? { id: null, name: "" };

  // The panel, where the page has a place for it.

  const show = () => {
    const place = document.querySelector(".viafoura");
    if (!place) return;
    const text = document.createElement("p");
    text.textContent = user ? `Signed in to Viafoura as ${user.name}.` : "Nobody is signed in to Viafoura here.";
    const button = document.createElement("button");
    button.type = "button";
    button.className = user ? "viafoura-log-out" : "viafoura-sign-in";
    button.textContent = user ? "Log out" : "Sign in";
    button.addEventListener("click", () => (user ? logout(false) : signIn()));
    const dialog = document.createElement("p");
    dialog.className = "viafoura-own-sign-in";
    dialog.textContent = "Viafoura’s own sign-in would open here.";
    dialog.hidden = seen.ownSignIn !== "open";
    place.replaceChildren(text, button, dialog);
  };

  // The two generations.

  const ready = [];
  let isReady = false;
  const whenReady = (act) => (isReady ? safely(act) : ready.push(act));

  if (api === "old") {
    window.viafoura = {
      ready: whenReady,
      subscribe: (event, act) => subscribe("", event, act),
      session: { logout: () => void logout(true), current: () => ({ id: session }) },
      users: { current },
    };
  } else {
    const same = (one, other) => ["channel", "event", "act"].every((name) => one[name] === other[name]);
    window.viafoura = window.vf = {
      $subscribe: subscribe,
      $unsubscribe: (channel, event, act) => {
        subscribers = subscribers.filter((one) => !same(one, { channel, event, act }));
      },
      $publish: (channel, event, ...args) => void publish(channel, event, ...args),
      $prepublish: (act) => {
        prepublishers = switches.prepublish === "one" ? [act] : [...prepublishers, act];
        seen.subscribed.push("$prepublish");
      },
      context: {
        get: (name) => (name === "user" ? current() : undefined),
        reset: async () => void (switches.reset_rereads && (await boot())),
      },
      session: { logout: () => logout(true) },
    };
  }

  const { readyState, currentScript } = document;
  seen.boots.push({ api, ...pair(), at: performance.now(), readyState, isModule: currentScript === null });
  boot().then(({ dead }) => {
    isReady = true;
    ready.splice(0).forEach((act) => safely(act));
    if (api === "new") {
      const queue = window.vfQ ?? [];
      window.vfQ = { push: (act) => void safely(act) };
      queue.forEach((act) => safely(act));
      if (window.vfAsyncInit) safely(window.vfAsyncInit);
      publish("user", "loaded", current());
    }
    if (user) tell(LOGGED_IN, user);
    if (switches.logout_at_boot || (dead && switches.dead_pair === "logout")) tellLogout();
    if (dead && switches.dead_pair === "asks") signIn();
    seen.isReady = true;
  });
})();
