// Whoever comes from a link in a message has a session that the browser did not send along with the link: asked from here, it does.
"use strict";
const following = document.querySelector(".login").dataset.next;

async function goOn() {
  const answer = await fetch("/login", { headers: { accept: "text/html" }, cache: "no-store" });
  if (answer.redirected) location.replace(following);
}

if (!document.getElementById("fault")) goOn().catch(() => {});
