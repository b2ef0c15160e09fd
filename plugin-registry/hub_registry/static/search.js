"use strict";
// Without this script the lists by tag, hook and tier are what there is; with it they can be searched.
const form = document.getElementById("search");
const words = document.getElementById("words");
const plugins = [...document.querySelectorAll(".plugins > li")];

function search() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const plugin of plugins) {
    plugin.hidden = !wanted.every((word) => plugin.dataset.words.includes(word));
    count += plugin.hidden ? 0 : 1;
  }
  document.getElementById("found").textContent = `${count} plugin${count === 1 ? "" : "s"}`;
}

form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
words.addEventListener("input", search);
// A link may carry the words: index.html?q=greylist
words.value = new URLSearchParams(location.search).get("q") ?? "";
search();
