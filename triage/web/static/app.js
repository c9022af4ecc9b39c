// Comfort only: every screen works without this file. No personal data is kept in the browser.
"use strict";

const seconds = (count) => count * 1000;

async function ask(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

// Werkvoorraad: fresh numbers, and a word when the list is no longer what it was.
function keepCounts(list) {
  const line = document.querySelector("[data-nieuw]");
  setInterval(async () => {
    if (document.hidden) return;
    let counts;
    try { counts = await ask(list.dataset.tellingen); } catch { return; }
    let changed = false;
    for (const number of list.querySelectorAll("[data-telling]")) {
      const now = String(counts[number.dataset.telling]);
      if (number.textContent !== now) { number.textContent = now; changed = true; }
    }
    if (changed && line) line.hidden = false;
  }, seconds(60));
}

// Zaak: who else is here, and did the case change since this page was made?
function keepPresence(place) {
  const others = place.querySelector("[data-anderen]");
  const changed = place.querySelector("[data-veranderd]");
  setInterval(async () => {
    if (document.hidden) return;
    let news;
    try { news = await ask(place.dataset.aanwezig); } catch { return; }
    others.hidden = news.anderen.length === 0;
    others.querySelector("[data-namen]").textContent = news.anderen.join(", ");
    if (String(news.berichten) !== place.dataset.berichten) {
      changed.textContent = "Er is een nieuw bericht van de vrager. Bewaar uw tekst en ververs de pagina.";
      changed.hidden = false;
    } else if (String(news.versie) !== place.dataset.versie) {
      changed.textContent = "De zaak is veranderd. Ververs de pagina voordat u verdergaat.";
      changed.hidden = false;
    }
  }, seconds(25));
}

// Our own first save takes the case up and so makes one new version: the other forms on the page go along with it.
function followVersion(place, version) {
  if (!place || version !== Number(place.dataset.versie) + 1) return;
  for (const field of document.querySelectorAll("input[name=versie]")) field.value = String(version);
  place.dataset.versie = String(version);
}

// Concept: kept on the server a few seconds after the last key. A conflict is left to ‘Bewaren’, which shows both texts.
function keepDraft(form) {
  const status = form.querySelector("[data-bewaard]");
  const base = form.querySelector("[name=basis]");
  const place = document.querySelector("[data-aanwezig]");
  const fields = [...form.querySelectorAll("input[id], textarea[id]")];
  const text = () => fields.map((field) => field.value).join("\u0000");
  let kept = text();
  let timer = 0;
  let running = null;
  let stopped = false;

  async function save() {
    const now = text();
    if (stopped || now === kept) return;
    const data = new URLSearchParams(new FormData(form));
    let answer;
    try {
      answer = await fetch(form.action, { method: "POST", body: data, headers: { Accept: "application/json" }, credentials: "same-origin" });
    } catch {
      status.textContent = "Nog niet bewaard: geen verbinding.";
      timer = setTimeout(start, seconds(10));
      return;
    }
    if (answer.ok) {
      const stored = await answer.json();
      base.value = String(stored.concept);
      kept = now;
      followVersion(place, stored.zaak);
      status.textContent = `Bewaard om ${stored.tijd}.`;
      return;
    }
    stopped = true;
    status.textContent = answer.status === 409
      ? "Niet bewaard: iemand anders heeft dit concept veranderd. Kies ‘Bewaren’ om beide teksten te zien."
      : answer.status === 401
        ? "Niet bewaard: u bent uitgelogd. Kopieer uw tekst en log opnieuw in."
        : "Niet bewaard. Kies ‘Bewaren’ om het nog een keer te proberen.";
  }

  function start() {
    clearTimeout(timer);
    running = save().finally(() => { running = null; });
  }

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(start, seconds(4));
  });
  form.addEventListener("submit", (event) => {
    stopped = true;
    clearTimeout(timer);
    if (!running) { kept = text(); return; }
    // a save is under way: wait for its revision number, else this form would conflict with itself
    event.preventDefault();
    const button = event.submitter;
    running.finally(() => { kept = text(); form.requestSubmit(button); });
  });
  window.addEventListener("beforeunload", (event) => {
    if (text() !== kept) event.preventDefault();
  });
}

// An approved reply: counts down in sight. The server told how many seconds are left, so this clock need not agree.
function countDown(place) {
  const end = performance.now() + seconds(Number(place.dataset.vertrek));
  const tick = () => {
    if (!place.isConnected) return;
    const left = Math.ceil((end - performance.now()) / 1000);
    if (left > 0) { place.textContent = `Nog ${left} seconden.`; setTimeout(tick, seconds(1)); return; }
    place.textContent = "Wordt verstuurd.";
  };
  tick();
}

const typedIn = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")
  || [...part.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked);

// Puts the newest parts of this very page in place of what stands there; a part in which somebody types is left alone.
async function renew() {
  const answer = await fetch(location.pathname, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(String(answer.status));
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  let whole = true;
  for (const part of document.querySelectorAll("[data-vers]")) {
    const newer = fresh.querySelector(`[data-vers="${part.dataset.vers}"]`);
    if (!newer) continue;
    if (typedIn(part)) { whole = false; continue; }
    part.replaceChildren(...newer.childNodes);
    if (newer.dataset.volg) part.dataset.volg = newer.dataset.volg; else delete part.dataset.volg;
    begin(part);
  }
  const here = document.querySelector("[data-aanwezig]");
  const there = fresh.querySelector("[data-aanwezig]");
  if (whole && here && there) {
    here.dataset.versie = there.dataset.versie;
    here.dataset.berichten = there.dataset.berichten;
  }
}

// An approved reply is followed until it left, or until it is known that it did not.
function followReply(part) {
  const place = document.querySelector("[data-aanwezig]");
  let asked = 0;
  const hideLink = () => { for (const link of part.querySelectorAll("[data-ververs]")) link.hidden = true; };
  hideLink();
  const look = async () => {
    if (!part.dataset.volg) return;
    asked += 1;
    if (!document.hidden) {
      try {
        const news = await ask(place.dataset.aanwezig);
        if (news.antwoord !== part.dataset.volg) { await renew(); hideLink(); }
      } catch { /* the next look tries again; the link ‘Ververs’ is shown for those who do not want to wait */
        for (const link of part.querySelectorAll("[data-ververs]")) link.hidden = false;
      }
    }
    setTimeout(look, seconds(asked < 60 ? 2 : 20));
  };
  setTimeout(look, seconds(2));
}

// What works on a part of the page, and starts anew when that part is renewed.
function begin(root) {
  for (const [selector, start] of [["[data-bewaar]", keepDraft], ["[data-vertrek]", countDown]]) {
    for (const found of root.querySelectorAll(selector)) start(found);
  }
}

begin(document);
for (const [selector, start] of [
  ["[data-tellingen]", keepCounts],
  ["[data-aanwezig]", keepPresence],
  ["[data-volg]", followReply],
]) for (const found of document.querySelectorAll(selector)) start(found);
