"use strict";
// A page that is the same for everybody learns in the browser who reads it: from the site itself, and from the bridge.
{
  const element = (selector) => document.querySelector(selector);

  const greet = async () => {
    const { name } = await (await fetch("/who")).json();
    element("#stranger").hidden = Boolean(name);
    element("#known").hidden = !name;
    element("#reader").textContent = name ?? "";
    element("#known .avatar").textContent = [...(name ?? "")].slice(0, 1).join("");
  };

  let told = "–";
  const show = () => {
    element("#told").textContent = told;
  };
  const isParsed = new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve));
  isParsed.then(greet);
  window.addEventListener("pageshow", ({ persisted }) => persisted && greet());
  document.addEventListener("viafoura-mw", ({ detail }) => {
    told = detail.state;
    isParsed.then(show);
    if (detail.state === "nobody" || detail.state === "changed") isParsed.then(greet);
  });

  // The script of a Viafoura that is gone does not come. An error in loading is told to the script's ancestors only in
  // the capturing phase.
  document.addEventListener("error", ({ target }) => {
    if (target.id !== "viafoura-platform") return;
    element("#widget").dataset.state = "down";
    element("#widget").textContent = "Viafoura does not answer. The page is whole all the same.";
  }, true);
}
