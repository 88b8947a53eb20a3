// Keys for what the buttons do. The page works without this file.
"use strict";

const KEYS = { f: "negative", n: "negative", j: "positive", p: "positive", u: "unsure", s: "skip" };
const SETTLE = 200; // milliseconds in which a key still belongs to the page before

const verdict = document.getElementById("verdict");
const undo = document.getElementById("undo");
const help = document.getElementById("help");
const note = document.getElementById("note");
const read = document.getElementById("read");
const page = document.documentElement.dataset;
let sent = false;

// A form is sent once, however often its key or button is pressed.
for (const form of [verdict, undo]) {
  if (form) form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
}
// A page that comes back from the browser's memory is out of date.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target === note) {
    if (event.key === "Escape") (read || document.body).focus();
    return;
  }
  if (event.repeat) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "?") {
    help.open = !help.open;
  } else if (key === "Escape") {
    help.open = false;
  } else if (key === "e" && note) {
    note.focus();
  } else if (!page.ready || sent) {
    return;
  } else if (key === "z" && document.querySelector('button[form="undo"]:enabled')) {
    undo.requestSubmit();
  } else if (key in KEYS && verdict) {
    verdict.requestSubmit(document.querySelector(`button[value="${KEYS[key]}"]`));
  } else {
    return;
  }
  event.preventDefault();
});

if (read) read.focus({ preventScroll: true });
window.setTimeout(() => { page.ready = "yes"; }, SETTLE);
