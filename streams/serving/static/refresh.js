// Brings the page up to date without a flash: when the stream of changes says that something has changed, at most once a second, and seldom
// enough that a server with much to do is not asked more than a tenth of the time; every 5 s where there is no stream. What the server
// sends is merged into what is shown, so that focus, scrolling, open details and text being typed stay. While the server does not answer,
// what is shown stays too, and the page says so.
"use strict";
const POLL_MS = 5000, LEAST_MS = 1000, BEAT_MS = 10000, RETRY_MS = 30000;
const lost = document.getElementById("lost");
let stream = null, due = null, asking = false, again = false, askedAt = Date.now(), took = 0;

async function refresh() {
  due = null;
  if (document.hidden) return;
  again = asking;
  if (asking) return;
  asking = true;
  askedAt = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.redirected) return location.assign(answer.url); // the session is over
    if (answer.status === 429) return plan(POLL_MS); // too many of us behind one address
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    const active = document.activeElement;
    merge(document.getElementById("live"), fresh);
    if (active !== document.activeElement && active.isConnected) active.focus({ preventScroll: true });
    took = Date.now() - askedAt;
    lost.hidden = true;
  } catch {
    lost.hidden = false;
    plan(POLL_MS);
  } finally {
    asking = false;
    if (again) plan(LEAST_MS);
  }
}

function plan(wait) {
  const at = Math.max(Date.now(), askedAt + Math.max(wait, Math.min(10 * took, BEAT_MS)));
  if (due && due.at <= at) return;
  if (due) clearTimeout(due.timer);
  due = { at, timer: setTimeout(refresh, at - Date.now()) };
}

function merge(held, fresh) {
  if (held.nodeType !== fresh.nodeType || held.nodeName !== fresh.nodeName || held.id !== fresh.id) return held.replaceWith(fresh);
  if (held.nodeType !== Node.ELEMENT_NODE) {
    if (held.data !== fresh.data) held.data = fresh.data;
    return;
  }
  if (held.nodeName === "SELECT" && held === document.activeElement) return;
  const own = (name) => name === "open" && held.nodeName === "DETAILS";
  for (const { name } of [...held.attributes]) if (!fresh.hasAttribute(name) && !own(name)) held.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (held.getAttribute(name) !== value && !own(name)) held.setAttribute(name, value);
  mergeChildren(held, [...fresh.childNodes]);
}

function mergeChildren(held, wanted) {
  const known = new Map([...held.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = held.firstChild;
  for (const node of wanted) {
    const same = node.id ? known.get(node.id) : place?.id ? undefined : place;
    if (!same) held.insertBefore(node, place);
    else {
      if (same === place) place = place.nextSibling;
      else held.insertBefore(same, place);
      merge(same, node);
    }
  }
  while (place) {
    const rest = place.nextSibling;
    place.remove();
    place = rest;
  }
}

function follow() {
  if (stream || document.hidden || !window.EventSource) return;
  const department = document.getElementById("live").dataset.department;
  stream = new EventSource("/api/v1/stream" + (department ? "?department=" + encodeURIComponent(department) : ""));
  stream.onopen = () => mark("stream");
  for (const kind of ["score", "alert", "resync"]) stream.addEventListener(kind, () => plan(LEAST_MS));
  stream.addEventListener("status", (event) => plan("partition" in JSON.parse(event.data) ? BEAT_MS : LEAST_MS));
  stream.onerror = () => {
    mark("poll");
    if (stream.readyState !== EventSource.CLOSED) return;
    stream = null;
    setTimeout(follow, RETRY_MS);
  };
}

function mark(how) {
  document.documentElement.dataset.live = how;
  if (how === "stream") plan(LEAST_MS); // what happened between the page and its stream
}

// A hidden page holds no connection: a browser has only a few for all pages of a site.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream?.close();
    stream = null;
    mark("poll");
  } else {
    follow();
    plan(0);
  }
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.submit();
});
setInterval(() => document.documentElement.dataset.live === "stream" || plan(POLL_MS), LEAST_MS);
mark("poll");
follow();
