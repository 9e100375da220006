// The page: what is chosen for all pictures, and which of them are near enough to be decoded.

const NEAR = "600px 0px";
const ANNOUNCE_MS = 300;
const labels = JSON.parse(document.getElementById("labels").textContent);
const told = document.getElementById("told");
const viewers = new Map();
const control = (id) => document.getElementById(id);
let waiting = 0;

// Say it to screen readers, once it has settled.
function announce(text) {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    told.textContent = text;
  }, ANNOUNCE_MS);
}

function refreshAll() {
  for (const viewer of viewers.values()) viewer.refresh();
}

function showChoice() {
  control("left").selectedIndex = chosen.left;
  control("right").selectedIndex = chosen.right;
  document.querySelector(`[name="mode"][value="${chosen.mode}"]`).checked = true;
  const hasTruth = labels.some((label) => label.isTruth);
  const usesPair = chosen.mode === "slider" || (chosen.mode === "difference" && !hasTruth);
  control("pair").hidden = !usesPair;
  control("gain").parentElement.hidden = chosen.mode !== "difference";
}

function choose(change) {
  const before = { ...chosen };
  Object.assign(chosen, change);
  // The same on both sides would show nothing: the other side takes what this one had.
  if (chosen.left === chosen.right) {
    if ("left" in change) chosen.right = before.left;
    else chosen.left = before.right;
  }
  showChoice();
  refreshAll();
  const name = (index) => labels[index].label;
  const pair = `${name(chosen.left)} on the left, ${name(chosen.right)} on the right`;
  announce({ slider: pair, all: "All side by side", difference: "Differences" }[chosen.mode]);
}

function swap() {
  choose({ left: chosen.right, right: chosen.left });
}

// Keys of a picture that change the choice for all; whether this was one.
function chooseByKey(event) {
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
  const modes = { s: "slider", a: "all", d: "difference" };
  if (digit && Number(digit[1]) <= labels.length) {
    choose({ [event.shiftKey ? "left" : "right"]: Number(digit[1]) - 1 });
  } else if (event.key in modes) choose({ mode: modes[event.key] });
  else if (event.key === "x") swap();
  else return false;
  return true;
}

function fillBar() {
  for (const side of ["left", "right"]) {
    for (const { label } of labels) control(side).add(new Option(label));
    control(side).addEventListener("change", () => choose({ [side]: control(side).selectedIndex }));
  }
  control("swap").addEventListener("click", swap);
  control("gain").addEventListener("change", () => {
    choose({ doublings: Number(control("gain").value) });
  });
  for (const radio of document.querySelectorAll('[name="mode"]')) {
    radio.addEventListener("change", () => choose({ mode: radio.value }));
  }
  control("jump").addEventListener("change", () => goTo(control("jump").value));
  chosen.right = labels.findLastIndex((label) => !label.isTruth) || 1;
  control("bar").hidden = false;
  // A browser that comes back to a page may bring its own idea of what was chosen.
  control("gain").value = `${chosen.doublings}`;
  showChoice();
}

function goTo(name) {
  const found = [...viewers.keys()].find((article) => article.dataset.name === name);
  if (!found) return;
  viewers.get(found).load();
  found.scrollIntoView();
  viewers.get(found).panes.element.focus({ preventScroll: true });
}

function watchTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = control("theme");
  const { style } = document.documentElement;
  const isDark = () => (style.colorScheme ? style.colorScheme === "dark" : dark.matches);
  const show = () => button.setAttribute("aria-pressed", `${isDark()}`);
  button.addEventListener("click", () => {
    style.colorScheme = isDark() ? "light" : "dark";
    show();
  });
  dark.addEventListener("change", show);
  button.hidden = false;
  show();
}

const near = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const viewer = viewers.get(entry.target);
      if (entry.isIntersecting) viewer.load();
      else viewer.unload();
    }
  },
  { rootMargin: NEAR },
);

// The picture that crosses the middle of the window is the one to name.
const central = new IntersectionObserver(
  (entries) => {
    const entry = entries.find((each) => each.isIntersecting);
    if (entry) control("jump").selectedIndex = [...viewers.keys()].indexOf(entry.target);
  },
  { rootMargin: "-50% 0px -50% 0px" },
);

// Take up the pictures that have come in whole: those that something follows.
function takeUp(isComplete) {
  const tools = document.getElementById("tools");
  const waitingFor = document.querySelectorAll("article.picture:not([data-taken])");
  for (const article of waitingFor) {
    if (!isComplete && !article.nextElementSibling) return;
    article.dataset.taken = "";
    viewers.set(article, new Viewer(article, labels, tools, announce));
    control("jump").add(new Option(article.dataset.name));
    near.observe(article);
    central.observe(article);
  }
}

fillBar();
watchTheme();
const arrivals = new MutationObserver(() => takeUp(false));
arrivals.observe(document.getElementById("pictures"), { childList: true });
document.addEventListener("DOMContentLoaded", () => {
  arrivals.disconnect();
  takeUp(true);
  // Numbers may tell of more pictures than are shown.
  const shown = new Set([...viewers.keys()].map((article) => article.dataset.name));
  for (const link of document.querySelectorAll("a[data-picture]")) {
    if (!shown.has(link.dataset.picture)) link.replaceWith(link.textContent);
  }
});
for (const item of document.querySelectorAll(".choices li")) makeCopyable(item, announce);
for (const table of document.querySelectorAll("#numbers table")) makeSortable(table, announce);
for (const parent of document.querySelectorAll(".every")) chooseMetric(parent);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-picture]");
  if (!link) return;
  event.preventDefault();
  goTo(link.dataset.picture);
});

let width = window.innerWidth;
window.addEventListener("resize", () => {
  // A phone's bars that come and go change the height alone; that must not move what is read.
  if (window.innerWidth === width) return;
  width = window.innerWidth;
  refreshAll();
});
