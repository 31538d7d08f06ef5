"use strict";
// A stand-in for Viafoura's platform script: signs its reader in by the pair that its own tag carries.
{
  const { uid, sid } = document.currentScript.dataset;
  const widget = document.querySelector("#widget");

  const say = (state, sentence) => {
    widget.dataset.state = state;
    widget.textContent = sentence;
  };

  const signIn = async () => {
    if (!uid || !sid) {
      say("out", "Nobody is signed in to Viafoura here.");
      return;
    }
    try {
      const reply = await fetch("/behind/pair", { method: "POST", body: new URLSearchParams({ uid, sid }) });
      const { name } = await reply.json();
      if (name) say("in", `Signed in to Viafoura as ${name}.`);
      else say("ended", "This session has ended at Viafoura.");
    } catch {
      say("down", "Viafoura does not answer. The page is whole all the same.");
    }
  };

  signIn();
  window.addEventListener("pageshow", ({ persisted }) => persisted && signIn());
}
