// Brings the page up to date every 5 s without a flash; while the server does not answer, what is shown stays, and says so.
"use strict";
const SECONDS = 5;
const lost = document.getElementById("lost");

async function refresh() {
  const live = document.getElementById("live");
  if (document.hidden || live.contains(document.activeElement) && document.activeElement.tagName === "SELECT") return;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    const aside = live.querySelector(".scroll")?.scrollLeft ?? 0;
    if (fresh.innerHTML !== live.innerHTML) {
      live.replaceWith(fresh);
      if (aside) fresh.querySelector(".scroll")?.scrollTo(aside, 0);
    }
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
}

async function keepFresh() {
  for (;;) {
    await new Promise((wake) => setTimeout(wake, SECONDS * 1000));
    await refresh();
  }
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.submit();
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());
keepFresh();
