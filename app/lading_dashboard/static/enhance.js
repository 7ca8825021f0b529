// Comfort on top of pages that are complete without it: copying, filtering while typing, and
// times as "3 minutes ago".
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
  // Browsers offer the clipboard to https and loopback pages only.
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1200);
  });
}

const form = document.querySelector(".filter");
if (form) {
  const input = form.querySelector("input");
  const cards = [...document.querySelectorAll("[data-search]")];
  const none = document.querySelector(".none");
  // A page that the server filtered does not have the other images: then the form is sent.
  const complete = input.value === "";
  form.querySelector("button").hidden = complete;
  form.querySelector("select").addEventListener("change", () => form.requestSubmit());
  if (complete) {
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const card of cards) {
        card.hidden = !words.every((word) => card.dataset.search.includes(word));
        if (!card.hidden) shown += 1;
      }
      none.hidden = shown > 0 || cards.length === 0;
    });
  }
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
for (const time of document.querySelectorAll("time")) {
  const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
  const unit = units.find(([, length]) => Math.abs(seconds) >= length);
  time.title = time.dateTime;
  time.textContent = unit ? relative.format(Math.trunc(seconds / unit[1]), unit[0]) : "just now";
}
